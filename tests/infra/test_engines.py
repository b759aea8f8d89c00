"""The engines that tests borrow are gone afterwards, however the borrower ends."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from engines.images import recipe
from engines.places import PRIVATE_PREFIX, PRIVATE_VARIABLE

REPOSITORY = Path(__file__).resolve().parents[2]
DEADLINE_S = 90


@contextmanager
def _lent(*command: str) -> Generator[subprocess.Popen[str]]:
    argv = [sys.executable, "tests/engines", "run", "--", *command]
    process = subprocess.Popen(
        argv,
        cwd=REPOSITORY,
        env={**os.environ, PRIVATE_VARIABLE: "1"},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(DEADLINE_S)


def _remains(output: str) -> list[str]:
    """Return everything that still names a folder of the engines that were started."""
    folders = [Path(line.split()[-1]) for line in output.splitlines() if "starting a private" in line]
    assert len(folders) == 2, output  # Docker's and Podman's
    return [remain for folder in folders for remain in _remains_of(folder)]


def _remains_of(folder: Path) -> list[str]:
    assert folder.name.startswith(PRIVATE_PREFIX)
    remains = [str(folder)] if folder.exists() else []
    remains += [
        line for line in Path("/proc/self/mountinfo").read_text("utf-8").splitlines() if str(folder) in line
    ]
    remains += [str(path) for path in Path("/sys/fs/cgroup").glob(f"*/{folder.name}")]
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().decode(errors="replace")
        except OSError:
            continue
        remains += [words] if str(folder) in words else []
    return remains


def test_a_command_that_fails_passes_its_exit_code_and_leaves_no_engine():
    with _lent(
        "sh",
        "-c",
        'test -S "${DEVBENCH_TEST_DOCKER_HOST#unix://}" && test -S "${DEVBENCH_TEST_PODMAN_HOST#unix://}" && exit 7',
    ) as lent:
        output, _ = lent.communicate(timeout=DEADLINE_S)
    assert lent.returncode == 7, output
    assert _remains(output) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_command_leaves_no_engine(number: signal.Signals):
    with _lent("sh", "-c", "echo at work; exec sleep 1000") as lent:
        assert lent.stdout is not None
        seen = ""
        while "at work" not in seen.splitlines():
            line = lent.stdout.readline()
            assert line, seen
            seen += line
        (os.killpg if number == signal.SIGINT else os.kill)(lent.pid, number)
        rest, _ = lent.communicate(timeout=DEADLINE_S)
    assert lent.returncode == 130, rest
    assert _remains(seen) == []


def test_a_recipe_is_known_by_its_name_only():
    assert recipe("busybox").reference == "devbench-test/busybox:latest"
    with pytest.raises(KeyError):
        recipe("windows")


def test_without_root_the_command_that_needs_it_is_said(
    as_ordinary_user: Callable[[Sequence[str]], list[str]], tmp_path: Path
):
    script = (
        "import sys; sys.path.insert(0, 'tests')\n"
        "from engines import daemon\n"
        "from engines.privilege import PrivilegeMissingError\n"
        "try:\n    daemon.start(daemon.Path('/nowhere'), owner_pid=0)\n"
        "except PrivilegeMissingError as error:\n    print(error)\n"
    )
    argv = as_ordinary_user([sys.executable, "-c", script])
    environment = {**os.environ, "PATH": str(tmp_path)} if os.geteuid() else os.environ
    done = subprocess.run(
        argv, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False, timeout=30
    )
    assert f'sudo "{sys.executable}" "{REPOSITORY}/tests/engines" up' in done.stdout, done.stderr
