"""As whom the tests run in the machine, and which of them."""

from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PLUGIN = REPOSITORY / "packages" / "devbench-runtime-bubblewrap" / "tests"
CONTRACT = REPOSITORY / "tests" / "contract" / "runtime"
VERSION_2_VARIABLE = "DEVBENCH_TEST_CGROUP2"
"""Set in the machine: only then are the tests that need version 2 collected, and fail where there is none."""

_CONTRACT_TESTS = (
    "test_policy.py::test_every_clause_is_enforced_or_its_absence_explained[bubblewrap]",
    "test_policy.py::test_no_more_processes_than_allowed[bubblewrap]",
    "test_policy.py::test_a_command_beyond_the_memory_dies_and_the_container_lives[bubblewrap]",
    "test_policy.py::test_processor_time_is_bounded[bubblewrap]",
    "test_life_cycle.py::test_a_container_killed_for_its_memory_says_so[bubblewrap]",
)


@dataclass(frozen=True, kw_only=True)
class Role:
    """A user, where its control group is, and the tests.

    Attributes:
        name: what it is called in reports, too.
        root: whether it is root.
        delegated: whether the group that it starts in belongs to it.
        tests: what pytest is given.
    """

    name: str
    root: bool
    delegated: bool
    tests: tuple[str, ...]


def _tests(*more: str) -> tuple[str, ...]:
    return (str(PLUGIN / "cgroup2"), str(PLUGIN / "test_limits.py"), *more)


_STARTING_TEST = "test_starting.py::test_a_limit_that_the_kernel_refuses_starts_nothing"
_LIMITED = _tests(str(PLUGIN / _STARTING_TEST), *(str(CONTRACT / test) for test in _CONTRACT_TESTS))
ROLES = (
    Role(name="root", root=True, delegated=False, tests=_LIMITED),
    Role(name="ordinary-user", root=False, delegated=False, tests=_tests()),
    Role(name="ordinary-user-in-delegated-group", root=False, delegated=True, tests=_LIMITED),
)
