"""``python -m scale``: measures hosts with more and more containers, and writes docs/reference/scale.md."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from performance.table import describe_machine
from scale.measuring import COUNTS, MEMORY_MIB, P95_MS, measure, missed

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "scale.md"
HEAD = """# Scale of one machine

What one host costs with many containers at once. Each gets five commands (`echo`, from its start to its output)
and five files (written and read again), eight calls at once in all. The runtime is bubblewrap, the store SQLite.
{machine}

| {columns} |
|{rules}|
"""
COLUMNS = (
    "containers",
    "spawn p50",
    "spawns a second",
    "command p50",
    "command p95",
    "commands a second",
    "file p95",
    "kill p50",
    "host's memory",
    "each container's",
)
TAIL = """
A command's p95 is to stay under {p95_ms:g} ms and the host's memory under {memory_mib} MiB, with nothing left
afterwards: the run fails otherwise.

## Beyond one machine

Each container costs the host its channel to the agent, and its commands what they print. Neither grows with the
number of containers as a whole: calls take as long as the processors have work for, and what ends first is the
machine's own memory and processors, which the containers' programs use. On a cluster hosts are added, and any of
them serves any call. Then the store ends first: a command that ends at once is one write in one commit, and a
PostgreSQL server takes about as many of them a second as it makes commits and as fit into one
(`plugin.sql.write_batch`), from all hosts together. After that it is the engine, which takes hundreds of times
longer to start a container than devbench takes for the rest of a spawn.
"""


def main() -> int:
    """Measure and write; return 1 when a bound was missed."""
    rows = [measure(count) for count in COUNTS]
    lines = [f"| {' | '.join(cells(row))} |\n" for row in rows]
    machine = ", ".join(f"{name} {value}" for name, value in describe_machine().items())
    rules = "|".join("---" for _ in COLUMNS)
    head = HEAD.format(machine=f"Measured on: {machine}.", columns=" | ".join(COLUMNS), rules=rules)
    text = head + "".join(lines)
    PAGE.write_text(text + TAIL.format(p95_ms=P95_MS, memory_mib=MEMORY_MIB), encoding="utf-8")
    faults = [fault for row in rows for fault in missed(row)]
    print("".join(lines), *faults, sep="\n")  # noqa: T201 - the verdict
    return 1 if faults else 0


def cells(row: Mapping[str, float]) -> list[str]:
    """Return a measurement as the table's cells."""
    return [
        f"{row['containers']:g}",
        f"{row['spawn_p50_ms']:.0f} ms",
        f"{row['spawns_per_s']:.0f}",
        f"{row['command_p50_ms']:.1f} ms",
        f"{row['command_p95_ms']:.1f} ms",
        f"{row['commands_per_s']:.0f}",
        f"{row['file_p95_ms']:.1f} ms",
        f"{row['kill_p50_ms']:.0f} ms",
        f"{row['host_bytes'] / 2**20:.0f} MiB",
        f"{row['host_bytes_each'] / 2**10:.0f} KiB",
    ]


if __name__ == "__main__":
    sys.exit(main())
