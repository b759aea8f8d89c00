"""Looks at processes through ``/proc`` (proc(5))."""

from __future__ import annotations

from pathlib import Path


def _fields(pid: int) -> list[str]:
    """Return the fields of ``/proc/PID/stat`` from the third on; empty when there is no such process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()


def start_time(pid: int) -> str:
    """Return the kernel's start time of a process, which tells a reused pid; "" when there is none."""
    fields = _fields(pid)
    return fields[19] if fields else ""


def is_running(pid: int, started: str) -> bool:
    """Tell whether this very process runs; a zombie does not."""
    fields = _fields(pid)
    return bool(fields) and fields[0] not in "ZX" and fields[19] == started


def descendants(pid: int) -> tuple[int, ...]:
    """Return all processes beneath one, children first."""
    parents = {int(p.name): int(f[1]) for p in Path("/proc").glob("[0-9]*") if (f := _fields(int(p.name)))}
    found: list[int] = []
    layer = {pid}
    while layer:
        layer = {child for child, parent in parents.items() if parent in layer}
        found.extend(sorted(layer))
    return tuple(found)
