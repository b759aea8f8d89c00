"""``python -m performance [--short]``: measures, prints, and writes docs/reference/performance.md."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
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
from performance.table import PATH, describe_machine, missed_bounds, page


async def measure(setting: Setting) -> dict[str, list[Row]]:
    """Run all rounds."""
    return {
        "Start": await start_rounds.run(setting),
        "Docker": await docker_rounds.run(setting),
        "Files": [*await files_rounds.run(setting), *await files_batch_rounds.run(setting)],
        "Podman (raw: its Docker-compatible interface)": await podman_rounds.run(setting),
        "Stores (raw: SQLite)": await store_rounds.run(setting),
        "Locks (raw: in the process)": await lock_rounds.run(setting),
        "Several hosts on one PostgreSQL": await sharing_rounds.run(setting),
        "bubblewrap": await bubblewrap_rounds.run(setting),
        "MCP floor: the bare SDK": await mcp_floor.run(setting.floor),
    }


def main() -> int:
    """Measure and write; return 1 when a bound was missed, unless the run was too short to tell."""
    parser = argparse.ArgumentParser(prog="python -m performance", description=__doc__)
    parser.add_argument("--short", action="store_true", help="a smoke run: few rounds, nothing is written")
    short: bool = parser.parse_args().short
    with tempfile.TemporaryDirectory(prefix="devbench-bench-") as folder:
        sections = asyncio.run(measure(Setting.from_environment(Path(folder), short=short)))
    text = page(sections, describe_machine())
    if not short:
        PATH.write_text(text, encoding="utf-8")
    missed = missed_bounds(sections)
    print("\n".join(missed) or "every bound holds")  # noqa: T201 - the verdict
    return 1 if missed and not short else 0


if __name__ == "__main__":
    sys.exit(main())
