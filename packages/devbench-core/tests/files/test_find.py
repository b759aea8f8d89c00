"""Recursive listings and globs, through a real agent."""

import asyncio
import os
from pathlib import Path, PurePosixPath
from typing import Any

import attrs
import pytest

from devbench_core.channel.handshake import Agent
from devbench_core.errors import AgentOutdated, FileFailed, FileMissing, PathOutside, ValidationFailed, Vetoed
from devbench_core.files.settings import FileLimits
from devbench_core.model.event import Veto
from devbench_core.model.file import FileType, FoundPage
from harness.agent_host import CONTAINER_ID as C
from harness.agent_host import Host, LocalAgent, open_host


@pytest.fixture
def root(local_agent: LocalAgent) -> Path:
    for path in ("a.py", "src/b.py", "src/lib/c.py", "src/lib/d.txt", ".hidden/e.py", "z"):
        target = local_agent.workspace / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(path)
    return local_agent.workspace


def paths(page: FoundPage) -> list[str]:
    return [str(entry.path.relative_to(page.root)) for entry in page.entries]


async def test_a_tree_comes_whole_with_the_etags_of_stat(host: Host, root: Path):
    page = await host.files.find(C)
    assert paths(page) == [
        ".hidden",
        ".hidden/e.py",
        "a.py",
        "src",
        "src/b.py",
        "src/lib",
        "src/lib/c.py",
        "src/lib/d.txt",
        "z",
    ]
    assert (page.cursor, page.scope.looked_at, page.scope.unreadable) == ("", 9, 0)
    for entry in page.entries:
        assert entry == await host.files.stat(C, entry.path)


async def test_pages_join_also_where_names_are_no_text(host: Host, root: Path):
    name = os.fsdecode(b"\xff %\n")
    (root / "src" / name).mkdir()
    (root / "src" / name / "f").write_text("")
    whole = await host.files.find(C, "src")
    got: list[str] = []
    after = ""
    for _ in range(20):
        page = await host.files.find(C, "/workspace/src", after=after, limit=1)
        got += paths(page)
        after = page.cursor
        assert after.isascii()
        if not after:
            break
    assert got == paths(whole)
    assert f"{name}/f" in got


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"include": ["*.py"]}, [".hidden/e.py", "a.py", "src/b.py", "src/lib/c.py"]),
        ({"include": ["*.py"], "hidden": False}, ["a.py", "src/b.py", "src/lib/c.py"]),
        ({"include": ["*.{txt,md}", "z"]}, ["src/lib/d.txt", "z"]),
        ({"include": ["src/{lib/c,b}.py"]}, ["src/b.py", "src/lib/c.py"]),
        ({"exclude": ["lib", ".hidden", "*.py"]}, ["src", "z"]),
        ({"types": [FileType.DIRECTORY]}, [".hidden", "src", "src/lib"]),
        ({"depth": 1, "hidden": False}, ["a.py", "src", "z"]),
        ({"path": "src", "depth": 1}, ["b.py", "lib"]),
    ],
)
async def test_what_is_asked_for_comes(host: Host, root: Path, given: dict[str, Any], expected: list[str]):
    assert paths(await host.files.find(C, **given)) == expected


async def test_ignore_files_are_heeded_when_asked(host: Host, root: Path):
    (root / ".gitignore").write_text("lib/\n.*\n")
    (root / ".git").mkdir()
    (root / ".git/config").write_text("")
    assert paths(await host.files.find(C, gitignore=True)) == ["a.py", "src", "src/b.py", "z"]
    assert paths(await host.files.find(C, "src", gitignore=True)) == ["b.py"]
    assert "src/lib" in paths(await host.files.find(C))


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.py", ["a.py"]),
        ("./*.py", ["a.py"]),
        ("**/*.py", [".hidden/e.py", "a.py", "src/b.py", "src/lib/c.py"]),
        ("src/*", ["src/b.py", "src/lib"]),
        ("src/**", ["src/b.py", "src/lib", "src/lib/c.py", "src/lib/d.txt"]),
        ("src/*/", ["src/lib"]),
        ("s?c/[a-b].py", ["src/b.py"]),
        ("{a,src/b}.py", ["a.py", "src/b.py"]),
    ],
)
async def test_a_glob_matches_parts_from_the_folder_on(
    host: Host, root: Path, pattern: str, expected: list[str]
):
    page = await host.files.glob(C, pattern)
    assert paths(page) == expected


async def test_a_glob_does_not_look_deeper_than_it_must(host: Host, root: Path):
    assert (await host.files.glob(C, "*.py")).scope.looked_at == 4


@pytest.mark.parametrize(
    ("given", "field", "said"),
    [
        ({"include": ["a[b"]}, "include[0]", "position 1 a bracket"),
        ({"include": ["ok", "x{a,b"]}, "include[1]", "position 1 a brace"),
        ({"exclude": ["a\\"]}, "exclude[0]", "position 1 a backslash"),
        ({"include": [""]}, "include[0]", "is empty"),
        ({"include": ["../x"]}, "include[0]", "'..'"),
        ({"include": ["a//b"]}, "include[0]", "empty part"),
        ({"include": ["x" * 1025]}, "include[0]", "1024 bytes"),
        ({"include": ["{a,b}" * 20]}, "include[0]", "256 patterns"),
        ({"include": ["\0"]}, "include[0]", "NUL"),
        ({"types": []}, "types", "empty"),
        ({"depth": 0}, "depth", "1-64"),
        ({"depth": 65}, "depth", "1-64"),
        ({"limit": 0}, "limit", "1-1000"),
        ({"limit": 1001}, "limit", "1-1000"),
        ({"after": "../x"}, "after", "no cursor"),
        ({"after": "ä"}, "after", "no cursor"),
    ],
)
async def test_bad_input_names_the_field_and_the_fault(
    host: Host, given: dict[str, Any], field: str, said: str
):
    with pytest.raises(ValidationFailed) as error:
        await host.files.find(C, **given)
    assert error.value.details["field"] == field
    assert said in error.value.message


async def test_what_is_not_there_or_no_folder_or_outside_is_refused(host: Host, root: Path):
    with pytest.raises(FileMissing):
        await host.files.find(C, "absent")
    with pytest.raises(FileFailed, match="not a folder") as error:
        await host.files.find(C, "z")
    assert error.value.details["reason"] == "not_directory"
    (root / "out").symlink_to("/etc")
    with pytest.raises(PathOutside):
        await host.files.find(C, "out")


async def test_a_page_looks_at_a_bounded_number_of_entries(local_agent: LocalAgent):
    for i in range(10):
        (local_agent.workspace / f"f{i}").write_text("")
    async with open_host(
        local_agent.connect, local_agent.token, file_limits=FileLimits(search_max_looked=4)
    ) as host:
        page = await host.files.find(C, include=["f9"])
        assert (page.entries, page.scope.looked_at, page.cursor) == ((), 4, "f3")
        assert paths(await host.files.find(C, include=["f9"], after="f7")) == ["f9"]


async def test_an_agent_without_the_power_is_named(host: Host, monkeypatch: pytest.MonkeyPatch, root: Path):
    channel = await host.link.channel()
    older: Agent = attrs.evolve(channel.agent, features=channel.agent.features - {"search"})
    monkeypatch.setattr(channel, "agent", older)
    with pytest.raises(AgentOutdated, match="older than this devbench"):
        await host.files.find(C)


async def test_a_reviewer_may_refuse(host: Host):
    host.veto = Veto(clause="none", reason="no")
    with pytest.raises(Vetoed):
        await host.files.find(C, "src")
    assert (host.requests[-1].operation, host.requests[-1].subject) == ("file.find", "/workspace/src")


async def test_searches_beyond_those_that_run_at_once_wait(host: Host, root: Path):
    pages = await asyncio.gather(*(host.files.find(C) for _ in range(40)))
    assert {len(page.entries) for page in pages} == {9}
    assert pages[0].root == PurePosixPath("/workspace")
