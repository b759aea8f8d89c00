"""What an author of a plugin does: makes a package, installs it, and writes what a tutorial says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

TUTORIALS = Path(__file__).parents[2] / "docs" / "tutorials"
PLUGINS = {
    "tool": "git-clone",
    "store": "jsonfile",
    "lock": "flock",
    "scanner": "denylist",
    "runtime": "unshare",
}
"""By kind: the plugin that its tutorial writes."""

TIMEOUT_S = 180
UV = os.environ.get("UV") or shutil.which("uv") or "uv"
BLOCK = re.compile(
    r'^(?:<!-- replaces: ([^\n]+) -->\n)?```\w+ title="([^"]+)"\n(.*?)^```$', re.MULTILINE | re.DOTALL
)
END = "the end"
"""The title of the block of a tutorial whose commands use what was written."""
DEVBENCH = "from devbench_cli.main import main; main()"
_SEE_DEVBENCH = "import site; site.addsitedir({!r})\n"

Run = Callable[..., "subprocess.CompletedProcess[str]"]
"""Runs Python with arguments where the package is installed."""


def tutorial_of(kind: str) -> str:
    """Return the tutorial that writes a plugin of this kind."""
    return (TUTORIALS / f"write-a-{kind}.md").read_text(encoding="utf-8")


def make(kind: str, folder: Path) -> None:
    """Make the package."""
    command = [sys.executable, "-c", DEVBENCH, "plugin", "new", "--kind", kind, PLUGINS[kind]]
    subprocess.run(
        [*command, "--directory", folder], check=True, timeout=TIMEOUT_S, stdout=subprocess.DEVNULL
    )


def complete(package: Path, kind: str) -> None:
    """Do what the tutorial says."""
    blocks = [block for block in BLOCK.findall(tutorial_of(kind)) if block[1] != END]
    assert blocks
    for line, name, text in blocks:
        file = package / name
        file.write_text(_with(file.read_text(), line, text) if line else text)


def end_of(kind: str) -> str:
    """Return the commands that the tutorial ends with."""
    (script,) = (text for _, title, text in BLOCK.findall(tutorial_of(kind)) if title == END)
    return script


def install(package: Path, place: Path) -> Run:
    """Install the package into a fresh environment beside devbench; return how Python is run there.

    Args:
        package: The package.
        place: A folder for the environment, which is the home of what runs there, too.
    """
    python = place / "venv" / "bin" / "python"
    environment = {**bare_environment(), "HOME": str(place), "UV_CACHE_DIR": _uv_cache()}
    environment["PATH"] = f"{python.parent}:{environment['PATH']}"
    environment["PYTEST_ADDOPTS"] = f"--basetemp={place / 'tests'}"

    def python_with(
        *arguments: str, run_as: Callable[[list[str]], list[str]] = list
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            run_as([str(python), *arguments]),
            cwd=package,
            env=environment,
            check=False,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
        )

    def uv(*arguments: str) -> None:
        subprocess.run([UV, *arguments], env=environment, check=True, capture_output=True, timeout=TIMEOUT_S)

    uv("venv", "--python", sys.executable, str(place / "venv"))
    (site,) = (place / "venv" / "lib").glob("python*/site-packages")
    (site / "devbench.pth").write_text(_SEE_DEVBENCH.format(str(Path(pytest.__file__).parents[1])))
    devbench = python.with_name("devbench")
    devbench.write_text(f"#!{python}\n{DEVBENCH}\n")
    devbench.chmod(0o755)
    uv("pip", "install", "--python", str(python), "--no-deps", "--editable", str(package))
    return python_with


def bare_environment() -> dict[str, str]:
    """Return this process's environment without what is devbench's, pytest's and an environment's of Python."""
    hidden = ("DEVBENCH_", "COV_", "PYTEST_", "VIRTUAL_ENV", "PYTHONPATH")
    return {name: value for name, value in os.environ.items() if not name.startswith(hidden)}


def _uv_cache() -> str:
    asked = subprocess.run(
        [UV, "cache", "dir"], check=True, capture_output=True, text=True, timeout=TIMEOUT_S
    )
    return asked.stdout.strip()


def _with(text: str, line: str, new: str) -> str:
    changed, count = re.subn(rf"^{line}\n", lambda _: new, text, flags=re.MULTILINE)
    assert count == 1, line
    return changed
