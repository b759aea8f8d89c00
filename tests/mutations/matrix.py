"""``python -m mutations.matrix``: tries every fault and writes the page that says which clause catches it."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mutations.kinds import KINDS
from mutations.trying import try_all

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "conformance.md"
AT_ONCE = 4
"""Tries beside each other; they mostly wait."""

HEAD = """# Conformance: faults that the kit catches

Each row is a mistake that an implementation can make. It is seeded into an implementation that is sound otherwise, and
the conformance kit (`devbench_core.testing.kit`) is run on that until up to three clauses have failed, by the names of
their tests. Those of commands, files and whole hosts are seeded into core. The tests of devbench try each fault with
the clause that stands first in its row, which takes about a minute on two processors.
"""


def page(caught: Mapping[str, Mapping[str, list[str]]]) -> str:
    """Return the page.

    Args:
        caught: By kind and fault: the clauses that caught it.
    """
    parts = [HEAD]
    for kind, faults in caught.items():
        parts.append(f"\n## {kind.capitalize()}: {len(faults)} faults\n\n| fault | caught by |\n|---|---|\n")
        parts += [f"| {fault} | {_shown(clauses)} |\n" for fault, clauses in faults.items()]
    return "".join(parts)


def _shown(clauses: list[str]) -> str:
    return "; ".join(clauses)


def rows() -> dict[str, list[str]]:
    """Return the clauses by which the page says that each fault is caught."""
    lines = [line.split(" | ") for line in PAGE.read_text(encoding="utf-8").splitlines() if " | " in line]
    return {cells[0].removeprefix("| "): cells[1].removesuffix(" |").split("; ") for cells in lines}


def main() -> None:
    """Try all, `AT_ONCE` at a time."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        tried = try_all(pool)
    caught = {k: {f: tried[k, f].result()[f] for f in faults} for k, faults in KINDS.items()}
    PAGE.write_text(page(caught), encoding="utf-8")


if __name__ == "__main__":
    main()
