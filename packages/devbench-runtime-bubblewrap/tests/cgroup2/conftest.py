"""Tests for a kernel with version 2 only: collected in the machine of ``nox -s cgroup2``, where they fail without one.

Which of them are collected follows from whose groups there are: root and an ordinary user in a delegated group bound
what runs, an ordinary user without groups is refused.
"""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from devbench_runtime_bubblewrap.runtime import BubblewrapRuntime
from harness.control_groups import limits_expected

MOUNT = Path("/sys/fs/cgroup")

collect_ignore_glob: list[str] = []
if "DEVBENCH_TEST_CGROUP2" not in os.environ:
    collect_ignore_glob += ["test_*.py"]
elif limits_expected():
    collect_ignore_glob += ["test_refused*.py"]
else:
    collect_ignore_glob += ["test_enforced*.py"]
if os.geteuid() != 0:
    collect_ignore_glob += ["test_delegation.py"]


@pytest.fixture(scope="session", autouse=True)
def _version_2_only() -> None:
    memberships = Path("/proc/self/cgroup").read_text("utf-8").splitlines()
    assert [line.partition(":")[0] for line in memberships] == ["0"], f"not version 2 only: {memberships}"
    assert (MOUNT / "cgroup.controllers").exists(), f"version 2 is not mounted at {MOUNT}"


@pytest.fixture
def group(runtime: BubblewrapRuntime) -> Callable[[str], Path]:
    """Give a container's group."""
    [place] = runtime.groups.places
    assert place.version == 2
    return lambda ref: place.group / ref
