"""``python -m performance [--short]``: measures, prints, and writes docs/reference/performance.md."""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from pathlib import Path

from performance import bubblewrap_rounds, docker_rounds, mcp_floor
from performance.measure import Row
from performance.setting import Setting
from performance.table import PATH, describe_machine, page


async def measure(setting: Setting) -> dict[str, list[Row]]:
    """Run all rounds."""
    return {
        "Docker": await docker_rounds.run(setting),
        "bubblewrap": await bubblewrap_rounds.run(setting),
        "MCP floor: the bare SDK": await mcp_floor.run(setting.floor),
    }


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(prog="python -m performance", description=__doc__)
    parser.add_argument("--short", action="store_true", help="a smoke run: few rounds, nothing is written")
    short: bool = parser.parse_args().short
    with tempfile.TemporaryDirectory(prefix="devbench-bench-") as folder:
        sections = asyncio.run(measure(Setting.from_environment(Path(folder), short=short)))
    text = page(sections, describe_machine())
    if not short:
        PATH.write_text(text, encoding="utf-8")
    over = [fault for rows in sections.values() for row in rows for fault in row.broken()]
    print("\n".join(over) or "every bound holds")  # noqa: T201 - the verdict


if __name__ == "__main__":
    main()
