"""Each example is a package of its own: built, installed beside built devbench, it passes its own tests there."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
NAMES = sorted(path.parent.name for path in EXAMPLES.glob("*/pyproject.toml"))
BUILT = ("packages/devbench-core", "packages/devbench-agent")
HIDDEN = ("DEVBENCH_", "COV_", "COVERAGE_", "PYTEST_", "VIRTUAL_ENV", "PYTHONPATH")
TUTORIAL = re.compile(
    r'^```python title="src/devbench_tool_git_clone/tool.py"\n(.*?)^```$', re.MULTILINE | re.DOTALL
)
TIMEOUT_S = 100
WHOLE_TIMEOUT_S = 4 * TIMEOUT_S
"""Of a test with its fresh environment, whose making alone takes a minute where other tests run beside it."""
UV = os.environ.get("UV") or shutil.which("uv") or "uv"


def run(*words: object, cwd: Path = ROOT, **variables: str) -> str:
    """Run a program to its end; its output is in the failure when it fails."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(HIDDEN)}
    done = subprocess.run(
        [str(word) for word in words],
        cwd=cwd,
        env={**kept, **variables},
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT_S,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def wheel(source: Path, folder: Path) -> Path:
    run(UV, "build", "--quiet", "--wheel", "--out-dir", folder, source)
    (built,) = folder.glob(f"{source.name.replace('-', '_')}-*.whl")
    return built


@pytest.fixture(scope="module")
def devbench(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The wheels that an author's tests need of devbench."""
    folder = tmp_path_factory.mktemp("wheels")
    return [wheel(ROOT / place, folder) for place in BUILT]


@pytest.fixture
def python(tmp_path: Path, devbench: list[Path]) -> Path:
    """A fresh environment: what the lock file says that core's tests for authors need, and devbench as it was built."""
    place = tmp_path / "env"
    locked = ("--frozen", "--no-dev", "--no-install-workspace", "--python", sys.executable)
    wanted = ("--package", "devbench-core", "--extra", "testing")
    run(UV, "sync", "--quiet", *locked, *wanted, UV_PROJECT_ENVIRONMENT=str(place))
    program = place / "bin" / "python"
    run(UV, "pip", "install", "--quiet", "--no-deps", "--python", program, *devbench)
    return program


@pytest.mark.timeout(WHOLE_TIMEOUT_S)
@pytest.mark.parametrize("name", NAMES)
def test_an_examples_own_tests_pass_where_only_built_wheels_are(name: str, python: Path, tmp_path: Path):
    built = wheel(EXAMPLES / name, tmp_path / "wheel")
    run(UV, "pip", "install", "--quiet", "--no-deps", "--python", python, built)
    run(UV, "pip", "check", "--python", python)
    copy = tmp_path / name  # without its sources, so that the installed ones are tested
    shutil.copytree(EXAMPLES / name / "tests", copy / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(EXAMPLES / name / "pyproject.toml", copy)
    own = f"--basetemp={tmp_path / 'tests'}"
    told = run(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", own, cwd=copy)
    assert " passed" in told
    assert " skipped" not in told


@pytest.mark.parametrize("name", NAMES)
def test_an_examples_wheel_is_typed_licensed_and_holds_nothing_but_its_package(name: str, tmp_path: Path):
    built = wheel(EXAMPLES / name, tmp_path)
    module = name.replace("-", "_")
    with zipfile.ZipFile(built) as archive:
        files = set(archive.namelist())
        (metadata,) = (file for file in files if file.endswith(".dist-info/METADATA"))
        told = archive.read(metadata).decode()
    assert {file.partition("/")[0] for file in files} == {module, f"{built.name.split('-py3')[0]}.dist-info"}
    assert f"{module}/py.typed" in files
    assert "License-Expression: MIT" in told


def test_examples_are_no_part_of_the_workspace_or_its_lock():
    members = tomllib.loads((ROOT / "uv.lock").read_text())["manifest"]["members"]
    assert NAMES
    assert not {*NAMES} & {*members}


@pytest.mark.parametrize("page", ["README.md", "examples/README.md", "docs/guides/plugins.md"])
def test_every_example_is_named(page: str):
    text = (ROOT / page).read_text(encoding="utf-8")
    assert [name for name in NAMES if name not in text] == []


def meaning(source: str) -> tuple[set[str], list[str]]:
    """Return what a module imports, whose order is the formatter's, and all else of it."""
    body = ast.parse(source).body
    imports = {ast.unparse(each) for each in body if isinstance(each, ast.Import | ast.ImportFrom)}
    return imports, [ast.unparse(each) for each in body if not isinstance(each, ast.Import | ast.ImportFrom)]


def test_the_tutorial_writes_the_example():
    (told,) = TUTORIAL.findall((ROOT / "docs/tutorials/write-a-tool.md").read_text(encoding="utf-8"))
    example = EXAMPLES / "devbench-tool-git-clone/src/devbench_tool_git_clone/tool.py"
    assert meaning(told) == meaning(example.read_text(encoding="utf-8"))
