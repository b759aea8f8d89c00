"""What a search in files found, as grep shows it."""

from __future__ import annotations

from collections.abc import Iterator

from devbench_core.model.container import WORKSPACE
from devbench_core.model.file import FileInfo, GrepLine, GrepPage
from devbench_core.tools.path_text import shown

MORE = "…"
BETWEEN = "--"


def grep_text(page: GrepPage, mode: str) -> str:
    """Return the lines, each with its line feed."""
    match mode:
        case "names":
            lines = [_relative(file.info) for file in page.files]
        case "counts":
            lines = [f"{_relative(file.info)}:{file.count}" for file in page.files]
        case _:
            lines = list(_all(page))
    return "".join(f"{line}\n" for line in lines)


def cut_lines(page: GrepPage) -> int:
    """Return how many lines are shown in part."""
    return sum(line.cut_before or line.cut_after for file in page.files for line in file.lines)


def shown_path(info: FileInfo) -> str:
    """Return a path as JSON carries it, and as it can be given back."""
    return shown(info.path)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _relative(info: FileInfo) -> str:
    path = shown(info.path)
    return path.removeprefix(f"{WORKSPACE}/")


def _all(page: GrepPage) -> Iterator[str]:
    """Yield the lines, with a mark between those that do not follow each other where lines around are shown."""
    context = any(line.column is None for file in page.files for line in file.lines)
    last: tuple[int, int] | None = None
    for number, file in enumerate(page.files):
        for line in file.lines:
            if context and last is not None and last != (number, line.number - 1):
                yield BETWEEN
            last = (number, line.number)
            yield _line(_relative(file.info), line)


def _line(path: str, line: GrepLine) -> str:
    sign = "-" if line.column is None else ":"
    text = _text(line.text.removesuffix(b"\r"))
    before, after = (MORE if line.cut_before else ""), (MORE if line.cut_after else "")
    return f"{path}{sign}{line.number}{sign}{before}{text}{after}"
