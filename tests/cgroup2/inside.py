"""What runs in the machine: pytest in each role, one after the other, with a report of each in the shared folder.

Each is a fork of this process, which has imported already what they import: starting anew takes most of a minute here.
"""

import importlib
import json
import os
import sys
from collections.abc import Sequence
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import pytest  # after the path is right

from cgroup2.roles import REPOSITORY, ROLES, VERSION_2_VARIABLE, Role
from harness.control_groups import DELEGATED_VARIABLE, made_groups
from harness.forked import forked

ROLE_TIMEOUT_S = 300.0
_USED_MODULES = (
    "devbench_core.testing.inside",
    "devbench_core",
    "devbench_core.tools.call",
    "devbench_runtime_bubblewrap.diagnosis",
    "devbench_runtime_bubblewrap.opening",
)
"""What takes long to import, and does not ask who the user is while it is imported."""

_WITHOUT = ("-p", "no:hypothesispytest", "-p", "no:pytest_cov", "-p", "no:anyio", "-o", "filterwarnings=")
"""Plugins that these tests do not need, and a filter of warnings that imports a library."""


def main(shared: Path) -> None:
    """Run every role; how each ended is in ``ends.json``."""
    ends: dict[str, int] = {}
    more: list[str] = json.loads((shared / "arguments.json").read_text("utf-8"))
    _say("importing what the tests use")
    _import_all()
    for role in ROLES:
        _say(f"tests as {role.name}")
        ends[role.name] = _run(role, partial(_pytest, role, shared, more))
        (shared / "ends.json").write_text(json.dumps(ends), "utf-8")


def _import_all() -> None:
    pytest.main(["--version", "--version", *_WITHOUT])  # with its plugins, imported in its own way
    for plugin in entry_points(group="devbench.v1"):
        plugin.load()
    for name in _USED_MODULES:
        importlib.import_module(name)


def _run(role: Role, tests: partial[int]) -> int:
    if role.root:
        return forked(tests, timeout_s=ROLE_TIMEOUT_S)
    with made_groups(f"{role.name}.slice", delegated=role.delegated) as groups:
        return forked(tests, groups=groups, ordinary=True, timeout_s=ROLE_TIMEOUT_S)


def _pytest(role: Role, shared: Path, more: Sequence[str]) -> int:
    home = Path(f"/tmp/home-of-{role.name}")  # the machine's own
    home.mkdir()
    os.environ |= {VERSION_2_VARIABLE: role.name, "HOME": str(home)}
    if role.delegated:
        os.environ[DELEGATED_VARIABLE] = "1"
    os.chdir(REPOSITORY)
    return pytest.main(
        [
            *role.tests, *_WITHOUT, "-v", "--color=no", "-p", "no:cacheprovider", "--rootdir", str(REPOSITORY),
            "--basetemp", f"/tmp/{role.name}", "--durations=8", f"--junitxml={shared / role.name}.xml", *more,
        ]
    )  # fmt: skip


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
