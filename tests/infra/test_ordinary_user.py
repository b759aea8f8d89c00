"""Root's test suite can run a part of itself as somebody ordinary."""

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

_SCRIPT = """
import os, pathlib, devbench_core
status = pathlib.Path("/proc/self/status").read_text()
print(os.getuid(), os.getgid(), [line.split()[1] for line in status.splitlines() if line.startswith("CapEff")][0])
"""


def test_an_ordinary_user_has_the_interpreter_and_no_capability(
    as_ordinary_user: Callable[[Sequence[str]], list[str]], unprivileged_user: tuple[int, int]
):
    argv = as_ordinary_user([sys.executable, "-c", _SCRIPT])
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60, cwd="/")
    assert done.returncode == 0, done.stderr
    uid, gid, capabilities = done.stdout.split()
    assert (int(uid), int(gid)) == unprivileged_user
    assert int(uid) != 0
    assert int(capabilities, 16) == 0


def test_running_as_an_ordinary_user_leaves_no_mount(as_ordinary_user: Callable[[Sequence[str]], list[str]]):
    subprocess.run(as_ordinary_user(["true"]), check=True, timeout=60)
    mounts = Path("/proc/self/mountinfo").read_text("utf-8").splitlines()
    assert [line for line in mounts if "devbench-over" in line or "devbench-aside" in line] == []


def test_a_root_file_system_is_readable_to_everybody(
    rootfs_tar: Callable[[str], Path], as_ordinary_user: Callable[[Sequence[str]], list[str]]
):
    tar = rootfs_tar("busybox")
    done = subprocess.run(as_ordinary_user(["cat", str(tar)]), capture_output=True, check=True, timeout=60)
    assert len(done.stdout) == tar.stat().st_size
