"""Everything again as an ordinary user, when the tests run as root."""

import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path

import pytest

from devbench_runtime_bubblewrap.identity import host_user
from harness.control_groups import DELEGATED_VARIABLE, made_groups, placed

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[2]
TIMEOUT_S = 400
SUITES = {
    "contract": [str(REPOSITORY / "tests" / "contract" / "runtime"), "-k", "bubblewrap"],
    "own": [
        *(
            str(HERE / f"test_{name}.py")
            for name in (
                "isolation",
                "starting",
                "reaching",
                "filter_inside",
                "limits",
                "adoption",
                "deletion",
            )
        ),
    ],
}
LIMITED = [str(HERE / "test_limits.py"), str(HERE / "test_starting.py")]

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="these tests run as an ordinary user already")


@pytest.fixture
def scratch(unprivileged_user: tuple[int, int]) -> Generator[Path]:
    """A folder that belongs to the ordinary user."""
    made = Path(tempfile.mkdtemp(prefix="devbench-ordinary-", dir="/var/tmp"))
    os.chown(made, *unprivileged_user)
    yield made
    shutil.rmtree(made)


@needs_root
@pytest.mark.timeout(TIMEOUT_S)
@pytest.mark.parametrize("suite", SUITES)
async def test_the_tests_pass_as_an_ordinary_user(
    suite: str, scratch: Path, as_ordinary_user: Callable[[Sequence[str]], list[str]]
):
    await passes(as_ordinary_user(pytest_command(scratch, SUITES[suite])))


@needs_root
@pytest.mark.timeout(TIMEOUT_S)
async def test_limits_hold_for_an_ordinary_user_in_delegated_groups(
    scratch: Path, as_ordinary_user: Callable[[Sequence[str]], list[str]]
):
    command = as_ordinary_user(pytest_command(scratch, LIMITED))
    with made_groups(scratch.name, delegated=True) as groups:
        await passes(placed(command, groups), {DELEGATED_VARIABLE: "1"})


def pytest_command(scratch: Path, tests: Sequence[str]) -> list[str]:
    options = ["-q", "-p", "no:cacheprovider", f"--basetemp={scratch}/tests", "--rootdir", str(REPOSITORY)]
    return [sys.executable, "-m", "pytest", *options, *tests]


async def passes(command: Sequence[str], variables: Mapping[str, str] | None = None) -> None:
    process = await asyncio.create_subprocess_exec(
        *command,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=REPOSITORY,
        env={**os.environ, **(variables or {})},
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()[-8000:]
    assert " passed" in said.decode()


def test_as_root_containers_run_as_a_user_of_their_own():
    user = host_user(65532)
    if os.geteuid() == 0:
        assert (user.new_uid, user.new_gid, user.new_groups) == (65532, 65532, [])
    else:
        assert (user.uid, user.new_uid, user.new_groups) == (os.geteuid(), None, None)
