"""``python -m performance [--short] [--only SECTION]``: measures, prints, and writes docs/reference/performance.md."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from performance import (
    bubblewrap_rounds,
    docker_rounds,
    files_batch_rounds,
    files_rounds,
    lock_rounds,
    mcp_floor,
    podman_rounds,
    sharing_rounds,
    start_rounds,
    store_rounds,
)
from performance.measure import Row
from performance.setting import Setting
from performance.table import PATH, describe_machine, missed_bounds, page, page_with


async def _files(setting: Setting) -> list[Row]:
    return [*await files_rounds.run(setting), *await files_batch_rounds.run(setting)]


async def _floor(setting: Setting) -> list[Row]:
    return await mcp_floor.run(setting.floor)


SECTIONS: dict[str, Callable[[Setting], Awaitable[list[Row]]]] = {
    "Start": start_rounds.run,
    "Docker": docker_rounds.run,
    "Files": _files,
    "Podman (raw: its Docker-compatible interface)": podman_rounds.run,
    "Stores (raw: SQLite)": store_rounds.run,
    "Locks (raw: in the process)": lock_rounds.run,
    "Several hosts on one PostgreSQL": sharing_rounds.run,
    "bubblewrap": bubblewrap_rounds.run,
    "MCP floor: the bare SDK": _floor,
}
"""In the order of the page."""


async def measure(setting: Setting, titles: Sequence[str]) -> dict[str, list[Row]]:
    """Run the rounds of some sections."""
    return {title: await SECTIONS[title](setting) for title in titles}


def main() -> int:
    """Measure and write; return 1 when a bound was missed, unless the run was too short to tell."""
    parser = argparse.ArgumentParser(prog="python -m performance", description=__doc__)
    parser.add_argument("--short", action="store_true", help="a smoke run: few rounds, nothing is written")
    parser.add_argument(
        "--only",
        action="append",
        choices=SECTIONS,
        metavar="SECTION",
        help="measure this section of the page alone, and leave the others; may be repeated",
    )
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="devbench-bench-") as folder:
        setting = Setting.from_environment(Path(folder), short=given.short)
        sections = asyncio.run(measure(setting, given.only or list(SECTIONS)))
    machine = describe_machine()
    text = (
        page_with(PATH.read_text(encoding="utf-8"), sections, machine)
        if given.only
        else page(sections, machine)
    )
    if not given.short:
        PATH.write_text(text, encoding="utf-8")
    missed = missed_bounds(sections)
    print("\n".join(missed) or "every bound holds")  # noqa: T201 - the verdict
    return 1 if missed and not given.short else 0


if __name__ == "__main__":
    sys.exit(main())
