"""``python tests/public_api`` writes the snapshot of the public API; what changed is seen with ``git diff``."""

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

from public_api.snapshot import FOLDER, render  # noqa: E402  # after the path is right


def main() -> None:
    """Write all files, and remove those of what is gone."""
    texts = render()
    for path in FOLDER.glob("*.txt"):
        if path.name not in texts:
            path.unlink()
    for name, text in texts.items():
        (FOLDER / name).write_text(text, encoding="utf-8")


main()
