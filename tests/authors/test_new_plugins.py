"""A new package is clean, found and composes; completed from its tutorial it keeps the whole contract."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from harness.authoring import DEVBENCH, PLUGINS, TIMEOUT_S, Run, complete

pytestmark = pytest.mark.timeout(2 * TIMEOUT_S)
SELECTED = {"runtime": ["--select", "made_then or opened_again"]}
"""What is tried once more on what is installed, where the whole contract would take long."""

DENYLIST = {"old": [{"id": "NOTE-1", "severity": "high", "package": "openssl"}]}
WHO = ("-c", "user.name=Me", "-c", "user.email=me@example.org")


@pytest.fixture(params=sorted(PLUGINS))
def kind(request: pytest.FixtureRequest) -> str:
    """A kind of plugin."""
    return request.param


def assert_clean(run: Run) -> None:
    for tool in (
        ["ruff", "check", "."],
        ["ruff", "format", "--check", "."],
        ["pyright", "--pythonpath", sys.executable],
    ):
        done = run("-m", *tool)
        assert done.returncode == 0, f"{tool}: {done.stdout}{done.stderr}"


def steps_told(report: Path) -> set[int]:
    """Return the steps that tests tell; each that failed tells one."""
    steps: set[int] = set()
    for test in ET.parse(report).iterfind(".//testcase"):  # noqa: S314 - of our own pytest
        if test.find("failure") is None and test.find("error") is None:
            continue
        told = {int(number) for number in re.findall(r"step (\d+): ", "".join(test.itertext()))}
        assert told, ET.tostring(test)
        steps |= told
    return steps


def listed(run: Run, name: str) -> dict[str, object]:
    plugins = json.loads(run("-c", DEVBENCH, "plugins", "--json").stdout)["plugins"]
    return next(each for each in plugins if each["name"] == name)


def test_a_new_package_is_clean_and_found_and_its_tests_tell_what_to_write_first(
    kind: str, package: Path, run: Run, tmp_path: Path
):
    assert_clean(run)
    assert listed(run, PLUGINS[kind])["state"] == "not enabled"
    (package / "devbench.toml").write_text(f"plugins = {json.dumps([PLUGINS[kind]])}\n")
    mine = listed(run, PLUGINS[kind])
    offered = f"{kind} {PLUGINS[kind].replace('-', '_') if kind == 'tool' else PLUGINS[kind]}"
    assert (mine["state"], mine["provides"], mine["editable"]) == ("loaded", [offered], True)
    assert run("-m", "pytest", "-q", "tests/test_plugin.py").returncode == 0
    report = tmp_path / "report.xml"
    contract = run(
        "-m", "pytest", "-q", f"--junitxml={report}", "-o", "junit_logging=all", "tests/test_contract.py"
    )
    assert contract.returncode == 1
    assert 1 in steps_told(report)
    assert "Stated by devbench_core." in contract.stdout


def test_completed_from_its_tutorial_it_keeps_the_whole_contract(kind: str, package: Path, run: Run):
    complete(package, kind)
    assert_clean(run)
    done = run("-m", "pytest", "-q")
    assert done.returncode == 0, done.stdout
    given = GIVEN[kind](package) if kind in GIVEN else SELECTED.get(kind, [])
    checked = run("-c", DEVBENCH, "plugin", "check", PLUGINS[kind], "--json", *given)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    found = json.loads(checked.stdout)
    assert found["conforms"] is (kind not in SELECTED)
    if kind == "scanner":
        assert found["passed"] > found["skipped"] > 0
    if kind == "tool":
        assert found["skipped"] == 0


def examples_for_a_tool(package: Path) -> list[str]:
    project = package / "project"
    project.mkdir()
    for words in (["init", "-q"], [*WHO, "commit", "-q", "--allow-empty", "-m", "first"]):
        subprocess.run(["git", *words], cwd=project, check=True, timeout=30)
    file = package / "examples.json"
    file.write_text(json.dumps({"git_clone": [{"container": "lab", "url": f"file://{project}"}]}))
    return ["--examples", str(file)]


def images_for_a_scanner(package: Path) -> list[str]:
    (package / "denylist.json").write_text(json.dumps(DENYLIST))
    table = f"[plugin.denylist]\ndatabase = {json.dumps(str(package / 'denylist.json'))}\n"
    (package / "devbench.toml").write_text(f"plugins = ['denylist']\n{table}")
    return ["--image", "old@sha256:1", "--image", "new@sha256:2"]


GIVEN = {"tool": examples_for_a_tool, "scanner": images_for_a_scanner}
