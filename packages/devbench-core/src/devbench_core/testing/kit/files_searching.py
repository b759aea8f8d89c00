"""Trees, patterns of names, and searches in files, the same on every runtime and in every image."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_asyncio

from devbench_core.errors import FileFailed, FileMissing, PathOutside, ValidationFailed
from devbench_core.files import Files
from devbench_core.model.file import FileType, FoundPage, GrepMode, GrepPage
from devbench_core.testing.kit.claims import Trait, needs
from devbench_core.testing.kit.clauses import stated_by
from devbench_core.testing.kit.deadline import in_time
from devbench_core.testing.kit.host_lab import Lab
from devbench_core.testing.kit.host_opening import WithHost
from devbench_core.values import frozen

TREE = {
    "README": "find me: alpha\nsecond line\n",
    "app/main.py": "import os\n\ndef main() -> None:\n    print(os.name)  # alpha\n",
    "app/lib/util.py": "ALPHA = 1\nalphabet = 2\n",
    "app/lib/data.txt": "nothing here\n",
    "app/.env": "alpha=secret\n",
    "build/out.py": "alpha\n",
    "ünï/ß.py": "alpha ü\n",
    ".gitignore": "build/\n*.txt\n",
}


@frozen
class Tree:
    """A folder with the tree in it."""

    lab: Lab
    folder: str

    async def find(self, **given: Any) -> list[str]:
        return self.paths(await self.lab.files.find(self.lab.container, self.folder, **given))

    async def glob(self, pattern: str, **given: Any) -> list[str]:
        return self.paths(await self.lab.files.glob(self.lab.container, pattern, self.folder, **given))

    async def grep(self, pattern: str, **given: Any) -> GrepPage:
        return await self.lab.files.grep(self.lab.container, pattern, self.folder, **given)

    def paths(self, page: FoundPage) -> list[str]:
        return [str(entry.path.relative_to(page.root)) for entry in page.entries]


def lines(page: GrepPage) -> list[tuple[str, int]]:
    return [
        (str(file.info.path.relative_to(page.root)), line.number)
        for file in page.files
        for line in file.lines
        if line.column is not None
    ]


@in_time
@pytest.mark.asyncio(loop_scope="class")
@stated_by(Files.find, Files.glob, Files.grep)
class FilesSearchingContract(WithHost):
    """Trees, patterns of names, and searches in files."""

    @pytest_asyncio.fixture(loop_scope="class")
    async def empty(self, lab: Lab) -> Tree:
        return Tree(lab=lab, folder=await lab.folder())

    @pytest_asyncio.fixture(scope="class", loop_scope="class")
    @classmethod
    async def tree(cls, lab: Lab) -> Tree:
        """One for all cases, since they only look at it."""
        folder = await lab.folder()
        for path, text in TREE.items():
            await lab.files.write(lab.container, f"{folder}/{path}", text.encode(), parents=True)
        return Tree(lab=lab, folder=folder)

    async def test_a_whole_tree_comes_in_order(self, tree: Tree):
        assert await tree.find() == [
            ".gitignore",
            "README",
            "app",
            "app/.env",
            "app/lib",
            "app/lib/data.txt",
            "app/lib/util.py",
            "app/main.py",
            "build",
            "build/out.py",
            "ünï",
            "ünï/ß.py",
        ]

    @pytest.mark.parametrize("limit", [1, 5])
    async def test_the_pages_of_a_tree_join(self, tree: Tree, limit: int):
        got: list[str] = []
        after = ""
        for _ in range(20):
            page = await tree.lab.files.find(tree.lab.container, tree.folder, after=after, limit=limit)
            got += tree.paths(page)
            after = page.cursor
            if not after:
                break
        assert got == await tree.find()

    @pytest.mark.parametrize(
        ("given", "expected"),
        [
            ({"depth": 1}, [".gitignore", "README", "app", "build", "ünï"]),
            (
                {"hidden": False, "depth": 2},
                ["README", "app", "app/lib", "app/main.py", "build", "build/out.py"],
            ),
            ({"types": [FileType.DIRECTORY]}, ["app", "app/lib", "build", "ünï"]),
            ({"include": ["*.py"], "exclude": ["build"]}, ["app/lib/util.py", "app/main.py", "ünï/ß.py"]),
            ({"include": ["app/*.{py,txt}"]}, ["app/main.py"]),
            (
                {"include": ["app/**"], "hidden": False},
                ["app/lib", "app/lib/data.txt", "app/lib/util.py", "app/main.py"],
            ),
            (
                {"gitignore": True, "types": [FileType.FILE], "hidden": False},
                ["README", "app/lib/util.py", "app/main.py", "ünï/ß.py"],
            ),
        ],
    )
    async def test_what_is_asked_for_of_a_tree_comes(
        self, tree: Tree, given: dict[str, Any], expected: list[str]
    ):
        found = await tree.find(**given)
        assert [path for path in found if not path.startswith("ünï") or path in expected] == expected

    @pytest.mark.parametrize(
        ("pattern", "expected"),
        [
            ("*", [".gitignore", "README", "app", "build", "ünï"]),
            ("**/*.py", ["app/lib/util.py", "app/main.py", "build/out.py", "ünï/ß.py"]),
            ("app/*.py", ["app/main.py"]),
            ("*/?.py", ["ünï/ß.py"]),
            ("[A-Z]*", ["README"]),
            ("app/**/[!u]*.{py,txt}", ["app/lib/data.txt", "app/main.py"]),
            ("*/", ["app", "build", "ünï"]),
            ("nothing", []),
        ],
    )
    async def test_a_glob_finds_by_name(self, tree: Tree, pattern: str, expected: list[str]):
        assert await tree.glob(pattern) == expected

    @pytest.mark.parametrize(
        ("pattern", "given", "expected"),
        [
            (
                "alpha",
                {"include": ["*.py"]},
                [("app/lib/util.py", 2), ("app/main.py", 4), ("build/out.py", 1), ("ünï/ß.py", 1)],
            ),
            (
                "alpha",
                {"word": True, "gitignore": True, "hidden": False},
                [("README", 1), ("app/main.py", 4), ("ünï/ß.py", 1)],
            ),
            (
                "ALPHA",
                {"ignore_case": True, "include": ["util.py"]},
                [("app/lib/util.py", 1), ("app/lib/util.py", 2)],
            ),
            ("main()", {"literal": True}, [("app/main.py", 3)]),
            (r"^\w+ = \d$", {}, [("app/lib/util.py", 1), ("app/lib/util.py", 2)]),
            (r"os\.|second", {}, [("README", 2), ("app/main.py", 4)]),
            ("[ßü]$", {}, [("ünï/ß.py", 1)]),
            ("alpha", {"exclude": ["app", "build", "/ünï"]}, [("README", 1)]),
            ("absent", {}, []),
        ],
    )
    async def test_a_search_finds_lines(
        self, tree: Tree, pattern: str, given: dict[str, Any], expected: list[tuple[str, int]]
    ):
        assert lines(await tree.grep(pattern, **given)) == expected

    async def test_the_pages_of_a_search_join(self, tree: Tree):
        whole = lines(await tree.grep("alpha"))
        got: list[tuple[str, int]] = []
        after = ""
        for _ in range(20):
            page = await tree.grep("alpha", limit=1, after=after)
            got += lines(page)
            after = page.cursor
            if not after:
                break
        assert got == whole
        assert len(whole) == 6

    async def test_names_and_counts_of_a_search(self, tree: Tree):
        names = await tree.grep("alpha", mode=GrepMode.NAMES, include=["*.py"])
        assert [file.info.path.name for file in names.files] == ["util.py", "main.py", "out.py", "ß.py"]
        counts = await tree.grep("(?i)alpha", mode=GrepMode.COUNTS, include=["*.py"])
        assert [file.count for file in counts.files] == [2, 1, 1, 1]

    async def test_a_match_has_the_etag_of_stat_and_a_write_with_it_goes_through(self, empty: Tree):
        lab = empty.lab
        await lab.files.write(lab.container, f"{empty.folder}/f", b"one\ntwo\n")
        (found,) = (await empty.grep("two")).files
        assert found.info == await lab.files.stat(lab.container, found.info.path)
        await lab.files.write(lab.container, found.info.path, b"one\n2\n", if_match=found.info.etag)
        assert lines(await empty.grep("two|2")) == [("f", 2)]

    async def test_lines_around_a_match_are_shown(self, tree: Tree):
        page = await tree.grep("def main", context_before=2, context_after=1)
        shown = [(line.number, line.column) for line in page.files[0].lines]
        assert shown == [(1, None), (2, None), (3, 1), (4, None)]

    async def test_binary_files_are_counted(self, empty: Tree):
        lab = empty.lab
        await lab.files.write(lab.container, f"{empty.folder}/b", b"alpha\0")
        await lab.files.write(lab.container, f"{empty.folder}/t", b"alpha")
        page = await empty.grep("alpha")
        assert (lines(page), page.binary, page.searched) == ([("t", 1)], 1, 2)

    @needs(Trait.SHELL)
    async def test_links_are_told_and_not_followed(self, empty: Tree):
        lab = empty.lab
        await lab.said(
            f"cd {empty.folder} && echo alpha > f && ln -s f l && ln -s . loop && ln -s /etc out && mkfifo p"
        )
        assert await empty.find() == ["f", "l", "loop", "out", "p"]
        assert lines(await empty.grep("alpha|root")) == [("f", 1)]
        with pytest.raises(PathOutside):
            await lab.files.find(lab.container, f"{empty.folder}/out")
        with pytest.raises(FileFailed):
            await lab.files.grep(lab.container, "x", f"{empty.folder}/p")

    @needs(Trait.SHELL)
    async def test_the_search_sees_what_grep_in_the_container_sees(self, tree: Tree):
        for pattern in ("alpha", "^import", "[0-9]$", "a.*a"):
            said = await tree.lab.said(f"cd {tree.folder} && grep -rnE '{pattern}' . || true")
            theirs = sorted(tuple(line.removeprefix("./").split(":")[:2]) for line in said.splitlines())
            ours = sorted((path, str(number)) for path, number in lines(await tree.grep(pattern)))
            assert ours == theirs, pattern

    @pytest.mark.parametrize("pattern", ["a(", "[", "*", r"\1", "(?=x)"])
    async def test_a_pattern_that_is_none_is_refused(self, tree: Tree, pattern: str):
        with pytest.raises(ValidationFailed) as error:
            await tree.grep(pattern)
        assert error.value.details["field"] == "pattern"

    @pytest.mark.parametrize("path", ["absent", "README/x"])
    async def test_what_is_not_there_is_refused(self, tree: Tree, path: str):
        with pytest.raises((FileMissing, FileFailed)):
            await tree.lab.files.find(tree.lab.container, f"{tree.folder}/{path}")
        with pytest.raises((FileMissing, FileFailed)):
            await tree.lab.files.grep(tree.lab.container, "x", f"{tree.folder}/{path}")
