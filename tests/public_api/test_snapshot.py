"""A change of the public API is seen as a change of its snapshot."""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from public_api.modules import MODULES
from public_api.snapshot import COMMAND, FOLDER, REPOSITORY, render

PAGE = REPOSITORY / "docs" / "guides" / "api-evolution.md"
PYTHON = re.compile(r"^```python[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TOLD = ("README.md", "docs/getting-started.md", "docs/guides/*.md", "docs/tutorials/*.md")
SAMPLE = {
    "__init__.py": "",
    "shown.py": """
        from sample.hidden import Base, helper
        __all__ = ["LIMIT", "Thing", "helper", "make"]
        LIMIT = 3
        class Thing(Base):
            size: int = 1
            _secret: int = 2
            def grow(self, by: int = 1) -> int: ...
        async def make(name: str, *, size: int = LIMIT) -> Thing: ...
        def internal() -> None: ...
    """,
    "hidden.py": """
        class Base:
            def inherited(self, x: int) -> None: ...
        def helper() -> None: ...
        def other() -> None: ...
    """,
}
SEEN = [
    ('"make"]', '"make", "internal"]'),
    ("LIMIT = 3", "LIMIT = 4"),
    ("size: int = 1", "size: float = 1"),
    ("size: int = 1", "size: int = 2"),
    ("size: int = 1", "size: int = 1\n    height: int = 0"),
    ("grow(self, by: int = 1)", "grow(self, by: int)"),
    ("grow(self, by: int = 1)", "grow(self, *, by: int = 1)"),
    ("-> int: ...", "-> float: ..."),
    ("async def make", "def make"),
    ("inherited(self, x: int)", "inherited(self, y: int)"),
    ("def helper()", "def helper(x: int)"),
    ("    def grow", "    @property\n    def grow"),
    ("async def make", "@deprecated('`make` goes')\nasync def make"),
]
UNSEEN = [
    ("_secret: int = 2", ""),
    ("def internal()", "def internal(x: int)"),
    ("def other()", "def another()"),
]


def sample(folder: Path, old: str = "", new: str = "") -> dict[str, str]:
    package = folder / "sample"
    package.mkdir(parents=True)
    for name, text in SAMPLE.items():
        lines = re.sub("^        ", "", text, flags=re.MULTILINE)
        (package / name).write_text(lines.replace(old, new, 1) if old else lines)
    return render(folder, ["sample.shown"])


def test_the_public_api_is_what_its_snapshot_says():
    now = render()
    kept = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.txt")}
    changes = [
        line
        for name in sorted({*now, *kept})
        for line in difflib.unified_diff(
            kept.get(name, "").splitlines(), now.get(name, "").splitlines(), name, name, lineterm="", n=0
        )
    ]
    assert not changes, "\n".join([f"the public API changed; if that is meant, run: {COMMAND}", *changes])


@pytest.mark.parametrize(("old", "new"), SEEN, ids=[new for _, new in SEEN])
def test_a_change_of_what_is_public_is_seen(tmp_path: Path, old: str, new: str):
    assert sample(tmp_path / "a") != sample(tmp_path / "b", old, new)


@pytest.mark.parametrize(("old", "new"), UNSEEN, ids=[old for old, _ in UNSEEN])
def test_a_change_of_what_is_not_public_is_not(tmp_path: Path, old: str, new: str):
    assert sample(tmp_path / "a") == sample(tmp_path / "b", old, new)


def test_the_order_of_fields_is_seen(tmp_path: Path):
    two = "size: int = 1\n    height: int = 1"
    other = "height: int = 1\n    size: int = 1"
    assert sample(tmp_path / "a", "size: int = 1", two) != sample(tmp_path / "b", "size: int = 1", other)


@pytest.mark.parametrize("module", MODULES)
def test_every_public_name_is_there_to_be_imported(module: str):
    imported = import_module(module)
    assert [name for name in imported.__all__ if not hasattr(imported, name)] == []


def test_the_page_names_every_public_module_and_no_other():
    listed = PAGE.read_text(encoding="utf-8").partition("## What is public")[2].partition("\n## ")[0]
    table = "\n".join(line for line in listed.splitlines() if line.startswith("|"))
    assert sorted(re.findall(r"`(devbench_core[a-z_.]*)`", table)) == sorted(MODULES)


def imports(source: str) -> Iterator[tuple[str, str]]:
    piece = source.startswith(" ")  # of a function, in a tutorial that writes one step by step
    for node in ast.walk(ast.parse(f"async def piece():\n{source}" if piece else source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("devbench_core"):
            yield from ((node.module or "", alias.name) for alias in node.names)


def sources() -> Iterator[tuple[str, str]]:
    for pattern in TOLD:
        for page in sorted(REPOSITORY.glob(pattern)):
            yield from ((page.name, block) for block in PYTHON.findall(page.read_text(encoding="utf-8")))
    for path in sorted(REPOSITORY.glob("examples/**/*.py")):
        yield str(path.relative_to(REPOSITORY)), path.read_text(encoding="utf-8")


def test_what_the_documentation_and_the_examples_import_is_public():
    found = [
        f"{place}: {module}.{name}"
        for place, source in sources()
        for module, name in imports(source)
        if f"{module}.{name}" not in MODULES
        if module not in MODULES or name not in import_module(module).__all__
    ]
    assert found == []
