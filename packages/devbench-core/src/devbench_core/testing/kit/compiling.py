"""Compiles the small programs that tests need, where the tests run, from the sources beside this file.

A binary ready to run would have to be built for each architecture and come to whoever only installs the package for
its contracts. An interpreter is no way out: an image of one static file has none. So there must be a compiler, and one
that is absent is told, not passed over: what needs such a program is what a runtime is tested for.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

COMPILERS = ("gcc", "cc", "clang", "musl-gcc")
HINT = (
    "the kit compiles small programs for its tests: install a C compiler and the static C library "
    "(Debian, Ubuntu: gcc libc6-dev; Fedora: gcc glibc-static; Alpine: gcc musl-dev)"
)
SOURCES = Path(__file__).parent
TIMEOUT_S = 60


def compiled(name: str, folder: Path) -> Path:
    """Compile a program into a folder, statically, so that any image can run it."""
    compiler = next((found for each in COMPILERS if (found := shutil.which(each))), None)
    if compiler is None:
        pytest.fail(f"there is none of {', '.join(COMPILERS)}; {HINT}", pytrace=False)
    program = folder / name
    command = [compiler, "-static", "-Os", "-o", str(program), str(SOURCES / f"{name}.c")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)  # noqa: S603 - ours
    if done.returncode != 0:
        pytest.fail(f"{compiler} failed: {done.stderr.strip()}\n{HINT}", pytrace=False)
    return program
