"""Warnings of a create call: a limit that the kernel lacks is dropped with one, and that is a refusal here."""

from __future__ import annotations

from collections.abc import Iterable

from devbench_core.errors import NotEnforced
from devbench_core.logs import get_logger
from devbench_core.model.policy import Clause

log = get_logger(__name__)

_LIMITS = (Clause.MEMORY, Clause.CPU, Clause.PIDS)
_WARNED = {
    "memory": (Clause.MEMORY,),
    "pids": (Clause.PIDS,),
    "cpu": (Clause.CPU,),
    "cfs": (Clause.CPU,),
    "resource limits": _LIMITS,
}
_HARMLESS = ("swap", "oom", "ipv4", "kernel memory")


def refuse_dropped_limits(warnings: Iterable[object]) -> None:
    """Look for limits that were asked for and dropped.

    Raises:
        NotEnforced: The engine dropped some; names their clauses.
    """
    found: dict[Clause, str] = {}
    for warning in map(str, warnings):
        if any(word in warning.lower() for word in _HARMLESS):
            log.warning("engine.create_warning", warning=warning)
            continue
        for word, clauses in _WARNED.items():
            if word in warning.lower():
                found |= dict.fromkeys(clauses, warning)
    if found:
        raise NotEnforced(
            f"the engine does not enforce {', '.join(sorted(found))}: {'; '.join(found.values())}",
            hint="enable these controllers in the kernel, or tolerate the clauses in policy",
            details={"clauses": sorted(found)},
        )
