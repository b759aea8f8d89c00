"""Refuse untidy text: spaces at line ends, tabs in Python, missing last newlines, conflict marks, huge files."""

import sys
from collections.abc import Iterator
from pathlib import Path

MAX_SIZE_BYTES = 512 * 1024
_CONFLICT_MARKS = ("<<<<<<< ", ">>>>>>> ")


def faults(path: Path) -> Iterator[str]:
    """Yield what is wrong with one file, as ``path:line: what``."""
    data = path.read_bytes()
    if len(data) > MAX_SIZE_BYTES:
        yield f"{path}: larger than {MAX_SIZE_BYTES} bytes"
        return
    if data and not data.endswith(b"\n"):
        yield f"{path}: no newline at the end"
    try:
        lines = data.decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        yield f"{path}: not UTF-8 at byte {error.start}"
        return
    for number, line in enumerate(lines, start=1):
        if line != line.rstrip():
            yield f"{path}:{number}: spaces at the end of the line"
        if line.startswith(_CONFLICT_MARKS):
            yield f"{path}:{number}: a conflict mark"
        if path.suffix == ".py" and "\t" in line:
            yield f"{path}:{number}: a tab"


def main(names: list[str]) -> int:
    """Print every fault of the named files; 1 when there is one."""
    found = [fault for name in names for fault in faults(Path(name))]
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
