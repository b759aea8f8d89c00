"""Which of the shared tests run on Podman every time.

Most of a test that runs on each runtime is about core and the agent, which are the same on all; so on Podman only the
tests of the runtime itself and the most telling of the others run, unless all are asked for.
"""

import os
from pathlib import Path
from typing import Any, cast

import pytest

VARIABLE = "DEVBENCH_TEST_PODMAN"
ALL = "all"
ROOT = Path(__file__).resolve().parents[2]
TELLING = (
    "tests/contract/runtime/",
    "tests/e2e/cli/test_workflow.py::test_the_demo_shows_and_checks",
    "tests/e2e/cli/test_workflow.py::test_images_are_listed_and_the_doctor",
    "tests/e2e/python/test_other_users.py::test_a_killed_host_loses_nothing",
    "tests/e2e/python/test_warm_pools.py::test_what_is_claimed_is_like",
    "tests/e2e/python/test_workflows.py::test_a_program_is_written",
    "tests/e2e/python/test_workflows.py::test_a_container_is_as_isolated",
)
"""The runtime; demo, doctor; a host that is killed; what containers are like."""
TELLING_PARTS = (
    "host_declared",
    "host_lives",
    "commands_output",
    "commands_trees",
    "files_atomic",
    "files_users",
)
"""Modules of the conformance kit: every byte and exit code; no process left; files of each user; lives of
containers and hosts."""


def deselect_most(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the cases on Podman that are not telling, unless all are asked for."""
    if os.environ.get(VARIABLE) == ALL:
        return
    dropped = [item for item in items if _is_on_podman(item) and not _is_telling(item)]
    if dropped:
        config.hook.pytest_deselected(items=dropped)
        gone = set(dropped)
        items[:] = [item for item in items if item not in gone]


def _is_on_podman(item: pytest.Item) -> bool:
    return isinstance(item, pytest.Function) and "podman" in item.name.partition("[")[2]


def _is_telling(item: pytest.Item) -> bool:
    place = item.path.resolve()
    if not place.is_relative_to(ROOT / "tests"):
        return True  # a package's own
    part = cast("Any", item).function.__module__.rpartition(".")[2]
    return part in TELLING_PARTS or f"{place.relative_to(ROOT)}::{item.name}".startswith(TELLING)
