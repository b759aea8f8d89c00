"""Searches in files, through a real agent."""

from pathlib import Path
from typing import Any

import attrs
import pytest

from devbench_core.channel.file_messages import NodeType, Stat
from devbench_core.channel.search_messages import (
    Grep,
    GrepFiles,
    GrepLines,
    GreppedFile,
    GreppedLine,
    PatternFault,
)
from devbench_core.channel.searchcalls import GrepReply
from devbench_core.errors import AgentMisbehaved, AgentOutdated, FileMissing, PathOutside, ValidationFailed
from devbench_core.files.patterns import SAYS
from devbench_core.files.settings import FileLimits
from devbench_core.model.file import GrepMode, GrepPage
from harness.agent_host import CONTAINER_ID as C
from harness.agent_host import Host, LocalAgent, open_host


@pytest.fixture
def root(local_agent: LocalAgent) -> Path:
    for path, text in {
        "a.py": "import os\n\ndef main():\n    return os.name\n",
        "src/b.py": "import sys\nMAIN = 1\n",
        "src/c.txt": "no code: main, os\nümlaut main\n",
    }.items():
        target = local_agent.workspace / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    return local_agent.workspace


def found(page: GrepPage) -> list[tuple[str, int, int | None, str]]:
    return [
        (str(file.info.path.relative_to(page.root)), line.number, line.column, line.text.decode())
        for file in page.files
        for line in file.lines
    ]


async def test_lines_come_with_place_and_the_etag_of_stat(host: Host, root: Path):
    page = await host.files.grep(C, r"\bmain\b")
    assert found(page) == [
        ("a.py", 3, 5, "def main():"),
        ("src/c.txt", 1, 10, "no code: main, os"),
        ("src/c.txt", 2, 9, "ümlaut main"),
    ]
    assert page.files[0].lines[0].offset == 11
    assert page.matches == 3
    for file in page.files:
        assert file.info == await host.files.stat(C, file.info.path)
    assert (page.cursor, page.searched, page.binary, page.too_large) == ("", 3, 0, 0)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"pattern": "MAIN"}, [("src/b.py", 2)]),
        ({"pattern": "MAIN", "ignore_case": True, "include": ["*.py"]}, [("a.py", 3), ("src/b.py", 2)]),
        ({"pattern": "main()", "literal": True}, [("a.py", 3)]),
        ({"pattern": "o", "word": True}, []),
        ({"pattern": "os", "word": True}, [("a.py", 1), ("a.py", 4), ("src/c.txt", 1)]),
        ({"pattern": "^import", "exclude": ["src"]}, [("a.py", 1)]),
        ({"pattern": "^import", "path": "src"}, [("b.py", 1)]),
        ({"pattern": "^import", "depth": 1}, [("a.py", 1)]),
        ({"pattern": "import", "path": "src/b.py"}, [(".", 1)]),
    ],
)
async def test_what_is_asked_for_is_found(
    host: Host, root: Path, given: dict[str, Any], expected: list[tuple[str, int]]
):
    page = await host.files.grep(C, **given)
    assert [(path, number) for path, number, _, _ in found(page)] == expected


async def test_pages_join_after_the_last_match(host: Host, root: Path):
    whole = found(await host.files.grep(C, "m|o"))
    got: list[tuple[str, int, int | None, str]] = []
    after = ""
    for _ in range(20):
        page = await host.files.grep(C, "m|o", limit=1, after=after)
        got += found(page)
        after = page.cursor
        if not after:
            break
    assert got == whole
    assert len(whole) == 6


async def test_a_single_file_has_pages_too(host: Host, root: Path):
    first = await host.files.grep(C, "m", "src/c.txt", limit=1)
    second = await host.files.grep(C, "m", "src/c.txt", limit=5, after=first.cursor)
    assert [line.number for page in (first, second) for line in page.files[0].lines] == [1, 2]
    assert str(second.files[0].info.path) == "/workspace/src/c.txt"


async def test_names_and_counts(host: Host, root: Path):
    names = await host.files.grep(C, "import", mode=GrepMode.NAMES)
    assert [str(file.info.path) for file in names.files] == ["/workspace/a.py", "/workspace/src/b.py"]
    counts = await host.files.grep(C, "main|MAIN", mode=GrepMode.COUNTS)
    assert [file.count for file in counts.files] == [1, 1, 2]


async def test_context_and_cut_lines(host: Host, root: Path):
    page = await host.files.grep(C, "def", context_before=1, context_after=1, line_bytes=8)
    assert [(line.column, line.text, line.cut_after) for line in page.files[0].lines] == [
        (None, b"", False),
        (1, b"def main", True),
        (None, b"    retu", True),
    ]


async def test_what_is_left_out_is_counted(local_agent: LocalAgent, root: Path):
    (root / "binary").write_bytes(b"main\0")
    (root / "large").write_text("main\n" * 100)
    async with open_host(
        local_agent.connect, local_agent.token, file_limits=FileLimits(grep_max_file_bytes=400)
    ) as host:
        page = await host.files.grep(C, "main")
        assert (page.binary, page.too_large, page.matches) == (1, 1, 3)


@pytest.mark.parametrize(
    ("pattern", "position", "reason"),
    [
        ("a(b", 1, "group_open"),
        ("ü[", 1, "class_open"),
        ("ü*+", 2, "repeated_twice"),
        (r"(x)\1", 3, "back_reference"),
        ("(?=x)", 0, "look_around"),
        ("a\nb", 1, "line_feed"),
        ("(.{999}){999}", 0, "too_large"),
    ],
)
async def test_a_pattern_that_is_none_says_where_and_why(
    host: Host, pattern: str, position: int, reason: str
):
    with pytest.raises(ValidationFailed) as error:
        await host.files.grep(C, pattern)
    assert error.value.details == {"field": "pattern", "position": position, "reason": reason}
    assert f"at position {position}" in error.value.message
    assert error.value.hint


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"pattern": "x" * 4097}, "pattern"),
        ({"pattern": "\0"}, "pattern"),
        ({"pattern": "\udcff"}, "pattern"),
        ({"context_before": 51}, "context_before"),
        ({"context_after": -1}, "context_after"),
        ({"limit": 1001}, "limit"),
        ({"line_bytes": 0}, "line_bytes"),
        ({"max_file_bytes": 0}, "max_file_bytes"),
        ({"after": "x"}, "after"),
        ({"after": "x:1"}, "after"),
        ({"after": "../x:1:1"}, "after"),
        ({"after": "x:-1:1"}, "after"),
        ({"include": ["["]}, "include[0]"),
    ],
)
async def test_bad_input_names_the_field(host: Host, given: dict[str, Any], field: str):
    with pytest.raises(ValidationFailed) as error:
        await host.files.grep(C, given.pop("pattern", "x"), **given)
    assert error.value.details["field"] == field


async def test_what_is_not_there_or_outside_is_refused(host: Host, root: Path):
    with pytest.raises(FileMissing):
        await host.files.grep(C, "x", "absent")
    (root / "out").symlink_to("/etc/passwd")
    with pytest.raises(PathOutside):
        await host.files.grep(C, "x", "out")


async def test_an_agent_without_the_power_is_named(host: Host, monkeypatch: pytest.MonkeyPatch):
    channel = await host.link.channel()
    monkeypatch.setattr(channel, "agent", attrs.evolve(channel.agent, features=frozenset[str]()))
    with pytest.raises(AgentOutdated, match="older than this devbench"):
        await host.files.grep(C, "x")


def test_every_fault_of_a_pattern_is_explained():
    assert set(SAYS) == set(PatternFault)


# ---- an agent that lies ----

STAT = Stat(type=NodeType.FILE, mode=0o644, size=1, mtime_ns=0, uid=0, gid=0, etag="e", target=b"")
REQUEST = Grep(
    id=1,
    path=b"",
    look=1,
    shows=1,
    matches=2,
    line_bytes=4,
    text_bytes=9,
    file_bytes=9,
    pattern=b"x",
    after=b"b",
)


def file(path: bytes) -> GrepFiles:
    return GrepFiles(id=1, files=(GreppedFile(path=path, stat=STAT, count=0),))


def line(number: int, text: bytes = b"x", flags: int = 1) -> GrepLines:
    return GrepLines(
        id=1, lines=(GreppedLine(flags=flags, number=number, offset=0, column=1, text_at=0, text=text),)
    )


@pytest.mark.parametrize(
    "said",
    [
        [file(b"a")],
        [file(b"../x")],
        [file(b"c"), file(b"c")],
        [file(b"c"), file(b"d"), file(b"e")],
        [line(1)],
        [file(b"c"), line(2), line(2)],
        [file(b"c"), line(1, b"xxxxx")],
        [file(b"c"), line(1), line(2), line(3)],
        [file(b"c"), line(1, flags=8)],
    ],
)
async def test_an_agent_that_says_what_cannot_be_is_not_believed(said: list[GrepFiles | GrepLines]):
    reply = GrepReply(REQUEST)
    for message in said[:-1]:
        assert not reply.accept(message)
    with pytest.raises(AgentMisbehaved):
        reply.accept(said[-1])
