"""The schemas of all built-in tools as clients see them, kept as files so that a change of the contract is seen.

After a change that is meant, run ``uv run python tests/contract/tools/snapshots.py`` and look at the difference.
"""

from __future__ import annotations

import json
from pathlib import Path

from devbench_core.tools.catalogue import TOOLS
from devbench_mcp.catalogue import as_mcp

FOLDER = Path(__file__).parent / "snapshots"
COMMAND = "uv run python tests/contract/tools/snapshots.py"


def rendered() -> dict[str, str]:
    """Return the text of each tool's snapshot by file name."""
    return {
        f"{tool.name}.json": json.dumps(
            {
                **as_mcp(tool).model_dump(mode="json", by_alias=True, exclude_none=True),
                "scope": tool.scope,
            },
            indent=2,
            ensure_ascii=False,
            sort_keys=True,
        )
        + "\n"
        for tool in TOOLS
    }


def update() -> None:
    """Write all snapshots and remove those of tools that are gone."""
    texts = rendered()
    for file in FOLDER.glob("*.json"):
        if file.name not in texts:
            file.unlink()
    for name, text in texts.items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    update()
