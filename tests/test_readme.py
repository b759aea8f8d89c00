"""What the README promises is true."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
README = (REPOSITORY / "README.md").read_text("utf-8")
TIMEOUT_S = 90
FIRST_COMMAND = "python3 -m pip install uv && uv run devbench demo --install-missing"
SECOND_COMMAND = "python3 -m pip install uv && uv run nox -s tests"


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def test_there_are_exactly_two_set_up_commands():
    commands = [
        line.split("   #")[0]
        for block in _blocks("sh")
        for line in block.splitlines()
        if "pip install" in line
    ]
    assert commands == [FIRST_COMMAND, SECOND_COMMAND]


def test_ci_runs_the_second_set_up_command():
    assert f"\n{SECOND_COMMAND.rpartition(' && ')[2]} " in (REPOSITORY / ".ci/run").read_text("utf-8")


@pytest.mark.parametrize("runtime", ["bubblewrap", "docker"])
def test_the_python_example_prints_what_it_wrote(runtime: str, docker_host: str, tmp_path: Path):
    [example] = _blocks("python")
    environment = {
        **os.environ,
        "DOCKER_HOST": docker_host,
        "DEVBENCH_RUNTIME": runtime,
        "DEVBENCH_STATE_DIR": str(tmp_path / "state"),
        "DEVBENCH_CACHE_DIR": str(tmp_path / "cache"),
    }
    if runtime == "docker":
        environment["DEVBENCH_IMAGES__DEFAULT"] = "devbench-test/busybox:latest"
    done = subprocess.run(
        [sys.executable, "-c", example],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "hello from a container\n"


def test_every_relative_link_leads_somewhere():
    pages = [
        REPOSITORY / "README.md",
        REPOSITORY / "CONTRIBUTING.md",
        *REPOSITORY.glob("packages/*/README.md"),
    ]
    links = [
        (page, link) for page in pages for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text("utf-8"))
    ]
    assert links
    missing = [f"{page.name}: {link}" for page, link in links if not (page.parent / link).exists()]
    assert not missing
