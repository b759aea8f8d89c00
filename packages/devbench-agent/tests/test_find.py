"""Recursive listings: what comes, in which order, and how pages join."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent_process import Agent, StartAgent
from agent_search import DIRECTORY, FILE, GITIGNORE, LINK, OTHER, SKIP_HIDDEN, find
from agent_wire import INVALID, NOT_DIRECTORY, NOT_FOUND, OUTSIDE, Channel, FileError

Found = tuple[Channel, Path]


@pytest.fixture(params=["kernel", "by hand"])
def files(request: pytest.FixtureRequest, start_agent: StartAgent) -> Iterator[Found]:
    """A host and the workspace, with both ways of resolving."""
    agent = start_agent(*(["--no-openat2", "--no-renameat2"] if request.param == "by hand" else []))
    with agent.host() as channel:
        assert "search" in channel.features
        yield channel, agent.workspace


def tree(root: Path, *paths: str) -> None:
    for path in paths:
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.endswith("/"):
            target.mkdir(exist_ok=True)
        else:
            target.write_text(path)


def expected(root: Path, below: bytes = b"") -> list[bytes]:
    """All paths, a folder before what is in it, names by their bytes."""
    found: list[bytes] = []
    for name in sorted(os.fsencode(entry.name) for entry in (root / os.fsdecode(below)).iterdir()):
        path = below + b"/" + name if below else name
        found.append(path)
        whole = root / os.fsdecode(path)
        if whole.is_dir() and not whole.is_symlink():
            found += expected(root, path)
    return found


def paged(host: Channel, limit: int, **more: Any) -> list[bytes]:
    got: list[bytes] = []
    after = b""
    while True:
        page = find(host, "", after, limit=limit, **more)
        got += page.paths
        if not page.more:
            return got
        after = page.cursor


def test_a_tree_comes_depth_first_in_the_order_of_bytes(files: Found):
    host, root = files
    tree(root, "b/x", "b/a/y", "a", "b.c", "b-c", "é", "B/z", "empty/")
    got = find(host)
    assert got.paths == expected(root)
    assert got.paths.index(b"b") + 1 == got.paths.index(b"b/a")
    assert not got.more
    assert dict(got.entries)[b"b/x"] == host.stat("b/x")
    assert (got.looked, got.unreadable, got.deep) == (len(got.paths), 0, 0)


def test_a_folder_below_gives_paths_relative_to_it(files: Found):
    host, root = files
    tree(root, "a/b/c/d", "a/e", "f")
    assert find(host, "a").paths == [b"b", b"b/c", b"b/c/d", b"e"]
    assert find(host, "a/b/c").paths == [b"d"]
    assert find(host, ".").paths == expected(root)


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 1000])
def test_pages_join_without_a_gap_or_a_double(files: Found, limit: int):
    host, root = files
    make_random_tree(root, random.Random(limit), 60)  # noqa: S311 - a test's choices
    assert paged(host, limit) == expected(root)


def make_random_tree(root: Path, chance: random.Random, count: int) -> None:
    folders = [root]
    for _ in range(count):
        name = "".join(chance.choice("ab.-_é") for _ in range(chance.randint(1, 4)))
        path = chance.choice(folders) / name
        if name in {".", ".."} or path.exists():
            continue
        if chance.random() < 0.4:
            path.mkdir()
            folders.append(path)
        else:
            path.write_text("")


def test_a_page_bounded_by_what_it_looks_at_goes_on_from_there(files: Found):
    host, root = files
    tree(root, *[f"d{i}/f{j}" for i in range(5) for j in range(5)])
    got: list[bytes] = []
    after, pages = b"", 0
    while True:
        page = find(host, "", after, include=["f4"], look=3)
        assert page.looked <= 3
        got += page.paths
        pages += 1
        if not page.more:
            break
        after = page.cursor
    assert got == [b"d%d/f4" % i for i in range(5)]
    assert pages == 11


def test_more_is_said_only_when_more_is_there(files: Found):
    host, root = files
    tree(root, "a", "b", "c/d")
    assert not find(host, limit=4).more
    page = find(host, limit=3)
    assert (page.more, page.cursor) == (True, b"c")
    assert find(host, after=b"c", limit=3).paths == [b"c/d"]


def test_a_cursor_whose_entry_has_gone_still_says_where_to_go_on(files: Found):
    host, root = files
    tree(root, "a/1", "a/2", "b/1", "c")
    shutil.rmtree(root / "a")
    assert find(host, after="a/1").paths == [b"b", b"b/1", b"c"]
    (root / "a").write_text("now a file")
    assert find(host, after="a/1").paths == [b"b", b"b/1", b"c"]
    assert find(host, after="b").paths == [b"b/1", b"c"]


def test_a_folder_with_more_names_than_are_held_is_whole(files: Found):
    host, root = files
    names = [b"n%05d" % i for i in range(9000)]
    (root / "big").mkdir()
    for name in names:
        (root / "big" / os.fsdecode(name)).touch()
    tree(root, "z")
    assert paged(host, 1000) == [b"big", *[b"big/" + name for name in names], b"z"]


def test_long_names_in_many_levels_stay_within_the_memory(files: Found):
    host, root = files
    folder = root
    for _ in range(12):
        for i in range(40):
            (folder / (f"{i:02}" + "x" * 250)).write_text("")
        folder = folder / ("d" * 200)
        folder.mkdir()
    assert paged(host, 100) == expected(root)


def test_links_are_told_and_not_followed(files: Found):
    host, root = files
    tree(root, "d/f")
    (root / "loop").symlink_to(".")
    (root / "out").symlink_to("/etc")
    got = find(host)
    assert got.paths == [b"d", b"d/f", b"loop", b"out"]
    assert dict(got.entries)[b"out"].target == b"/etc"


def test_a_pipe_blocks_nothing(files: Found):
    host, root = files
    os.mkfifo(root / "pipe")
    assert find(host, types=OTHER).paths == [b"pipe"]


@pytest.mark.parametrize(
    ("types", "paths"),
    [
        (FILE, [b"d/f"]),
        (DIRECTORY, [b"d"]),
        (LINK, [b"l"]),
        (FILE | LINK, [b"d/f", b"l"]),
    ],
)
def test_types_are_chosen(files: Found, types: int, paths: list[bytes]):
    host, root = files
    tree(root, "d/f")
    (root / "l").symlink_to("d")
    assert find(host, types=types).paths == paths


def test_depth_bounds_what_is_entered(files: Found):
    host, root = files
    tree(root, "a/b/c/d")
    assert find(host, depth=1).paths == [b"a"]
    assert find(host, depth=3).paths == [b"a", b"a/b", b"a/b/c"]
    assert find(host, depth=1, after="a").paths == []


def test_a_tree_deeper_than_the_bound_says_so(files: Found):
    host, root = files
    folder = "/".join(["d"] * 70)
    tree(root, folder + "/f")
    got = find(host)
    assert len(got.paths) == 64
    assert got.deep == 1


def test_hidden_names_are_left_out_when_asked(files: Found):
    host, root = files
    tree(root, ".h/f", "a/.i", "a/j")
    assert find(host, flags=SKIP_HIDDEN).paths == [b"a", b"a/j"]
    assert find(host).paths == [b".h", b".h/f", b"a", b"a/.i", b"a/j"]


def test_what_the_agent_keeps_for_itself_is_left_out(files: Found):
    host, root = files
    tree(root, ".devbench-tmp-1/f", "a")
    assert find(host).paths == [b"a"]


def test_names_that_are_no_utf8_survive(files: Found):
    host, root = files
    name = b"\xff\xfe"
    (root / os.fsdecode(name)).mkdir()
    (root / os.fsdecode(name) / "f").write_text("")
    assert find(host).paths == [name, name + b"/f"]
    assert find(host, name).paths == [b"f"]
    assert find(host, after=name).paths == [name + b"/f"]


GLOBS: list[tuple[str, list[bytes]]] = [
    ("*.py", [b"a.py", b"s/b.py", b"s/t/c.py"]),
    ("/*.py", [b"a.py"]),
    ("s/*.py", [b"s/b.py"]),
    ("s/**", [b"s/b.py", b"s/t", b"s/t/c.py", b"s/t/d.txt"]),
    ("**/c.py", [b"s/t/c.py"]),
    ("**/*.py", [b"a.py", b"s/b.py", b"s/t/c.py"]),
    ("s/**/*.py", [b"s/b.py", b"s/t/c.py"]),
    ("t/", [b"s/t"]),
    ("?.txt", [b"s/t/d.txt", "é.txt".encode()]),
    ("[ab].py", [b"a.py", b"s/b.py"]),
    ("[!a-b].py", [b"s/t/c.py"]),
    ("[[:alpha:]].py", [b"a.py", b"s/b.py", b"s/t/c.py"]),
    (r"\*.py", []),
    ("[a.py", []),
    ("a.p", []),
]


@pytest.mark.parametrize(("glob", "paths"), GLOBS)
def test_only_what_a_pattern_matches_comes(files: Found, glob: str, paths: list[bytes]):
    host, root = files
    tree(root, "a.py", "s/b.py", "s/t/c.py", "s/t/d.txt", "é.txt")
    assert find(host, include=[glob]).paths == paths


def test_a_folder_that_is_excluded_is_not_entered(files: Found):
    host, root = files
    tree(root, "node/x/y", "src/node/z", "src/a.o", "src/a.c")
    assert find(host, exclude=["node", "*.o"]).paths == [b"src", b"src/a.c"]
    assert find(host, exclude=["/node"], include=["z"]).paths == [b"src/node/z"]
    assert find(host, exclude=["node/"], after="node/x").paths == [b"src", b"src/a.c", b"src/a.o"]


def test_a_folder_that_may_not_be_read_is_counted(start_agent: StartAgent):
    # The agent of root reads everything; so the folder vanishes from its sight in another way: no right to search it.
    agent: Agent = start_agent()
    with agent.host() as host:
        tree(agent.workspace, "a/b", "c")
        (agent.workspace / "a").chmod(0)
        got = find(host)
        assert got.unreadable == (0 if os.geteuid() == 0 else 1)
        (agent.workspace / "a").chmod(0o755)


@pytest.mark.parametrize(
    ("path", "code"), [("absent", NOT_FOUND), ("f", NOT_DIRECTORY), ("..", OUTSIDE), ("/etc", OUTSIDE)]
)
def test_what_is_no_folder_is_refused(files: Found, path: str, code: int):
    host, root = files
    tree(root, "f")
    with pytest.raises(FileError) as error:
        find(host, path)
    assert error.value.code == code


@pytest.mark.parametrize(
    "given",
    [
        {"limit": 0},
        {"limit": 1001},
        {"types": 0},
        {"types": 16},
        {"look": 0},
        {"after": "a//b"},
        {"after": "../x"},
        {"after": "/a"},
        {"after": "a/"},
        {"after": "x" * 256},
        {"include": ["x" * 1025]},
        {"include": [""]},
        {"include": ["x"] * 257},
    ],
)
def test_what_is_out_of_its_bounds_is_invalid(files: Found, given: dict[str, Any]):
    host, _ = files
    with pytest.raises(FileError) as error:
        find(host, **given)
    assert error.value.code == INVALID


def test_a_search_leaves_no_descriptor_behind(agent: Agent, host: Channel):
    tree(agent.workspace, "a/b/c/d/e")
    before = agent.descriptors()
    for _ in range(20):
        find(host, limit=2)
    assert agent.descriptors() == before


# ---- .gitignore ----


def git_says(root: Path) -> list[bytes]:
    """The files that git does not ignore."""
    command = ["git", "-c", "core.excludesFile=/dev/null", "ls-files", "-z", "-co", "--exclude-standard"]
    done = subprocess.run(command, cwd=root, capture_output=True, check=True, timeout=20)
    return sorted(done.stdout.split(b"\0")[:-1])


def unignored(host: Channel, path: str = "") -> list[bytes]:
    return sorted(find(host, path, flags=GITIGNORE, types=FILE).paths)


IGNORES = [
    "*.o",
    "/build",
    "build/",
    "a/b",
    "/a/*",
    "*\n!keep",
    "a/*\n!a/keep",
    "**/x.txt",
    "a/**",
    "a/**/x.txt",
    "# comment\n\\#hash",
    "\\!bang",
    "trail  \nspace\\ ",
    "[ab]/x.txt",
    "x.*\n!x.txt",
    "a/\n!a/keep",
    "crlf.o\r\n*.txt\r\n",
    "\ufeffx.txt",
    "/",
    "!",
    "**",
    "*/x.txt",
    "a**",
    "?.o",
]


@pytest.mark.parametrize("rules", IGNORES)
def test_an_ignore_file_means_what_it_means_to_git(files: Found, rules: str):
    host, root = files
    subprocess.run(["git", "init", "-q"], cwd=root, check=True, timeout=20)
    tree(root, "a/x.txt", "a/keep", "a/b/x.txt", "b/x.txt", "build/o.o", "c/build/y", "o.o", "keep", "x.txt")
    tree(root, "x.md", "#hash", "!bang", "trail", "space ", "crlf.o", "ab", "b/a.o")
    (root / ".gitignore").write_text(rules, newline="")
    assert unignored(host) == git_says(root)


def test_nested_ignore_files_are_asked_from_the_innermost(files: Found):
    host, root = files
    subprocess.run(["git", "init", "-q"], cwd=root, check=True, timeout=20)
    tree(root, "a/k.log", "a/b/k.log", "a/b/l.log", "k.log", "m")
    (root / ".gitignore").write_text("*.log\n")
    (root / "a/.gitignore").write_text("!k.log\n")
    (root / "a/b/.gitignore").write_text("k.log\n/l.log\n")
    assert unignored(host) == git_says(root)
    assert unignored(host, "a") == [b".gitignore", b"b/.gitignore", b"k.log"]
    assert unignored(host, "a/b") == [b".gitignore"]


@pytest.mark.parametrize("seed", range(12))
def test_random_ignore_files_mean_what_they_mean_to_git(files: Found, seed: int):
    host, root = files
    chance = random.Random(seed)  # noqa: S311 - a test's choices
    subprocess.run(["git", "init", "-q"], cwd=root, check=True, timeout=20)
    make_random_tree(root, chance, 80)
    folders = [root, *[path for path in root.rglob("*") if path.is_dir() and ".git" not in path.parts]]
    for folder in chance.sample(folders, min(4, len(folders))):
        lines = [random_rule(chance) for _ in range(chance.randint(1, 5))]
        (folder / ".gitignore").write_text("\n".join(lines) + "\n")
    assert unignored(host) == git_says(root)


def random_rule(chance: random.Random) -> str:
    parts = ["a", "b", "*", "?", "a*", "*b", "[ab]", "[!a]", ".", "**", "-", "b?", "*.*"]
    rule = "/".join(chance.choice(parts) for _ in range(chance.choice([1, 1, 1, 2, 3])))
    return chance.choice(["", "", "!"]) + chance.choice(["", "", "/"]) + rule + chance.choice(["", "", "/"])


def test_an_ignore_file_that_is_too_large_is_counted_and_left_out(files: Found):
    host, root = files
    tree(root, "f")
    (root / ".gitignore").write_text("f\n" + "#" * 70_000)
    got = find(host, flags=GITIGNORE)
    assert got.paths == [b".gitignore", b"f"]
    assert got.ignores_left_out == 1


def test_a_link_as_ignore_file_is_no_ignore_file(files: Found):
    host, root = files
    tree(root, "f", "rules")
    (root / "rules").write_text("f\n")
    (root / ".gitignore").symlink_to("rules")
    assert b"f" in find(host, flags=GITIGNORE).paths
