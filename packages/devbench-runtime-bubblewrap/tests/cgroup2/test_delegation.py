"""Hosts that start in fresh groups, as a service manager or another engine starts them."""

import asyncio
import ctypes
import os
import secrets
import subprocess
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import devbench_core
from devbench_core.clock import SystemClock
from devbench_core.containers import SpawnRequest
from devbench_core.containers.requests import PolicyRequest
from devbench_core.contracts.provider import OpenContext
from devbench_core.model.policy import MEBIBYTE
from devbench_core.tools.call import call_tool
from devbench_runtime_bubblewrap.cgroups.room import HOSTS
from devbench_runtime_bubblewrap.diagnosis import diagnose_bubblewrap
from devbench_runtime_bubblewrap.settings import BubblewrapSettings
from harness.control_groups import groups_called, made_groups, placed
from harness.forked import forked

LIMITS = {"memory", "cpu", "pids"}
NEW_MOUNTS, NEW_GROUPS, NEW_PROCESSES = 0x00020000, 0x02000000, 0x20000000
COMMAND_TIMEOUT_S = 30


@pytest.fixture
def home(unprivileged_user: tuple[int, int]) -> Generator[Path]:
    """A folder of the ordinary user's."""
    with tempfile.TemporaryDirectory(prefix="devbench-home-", dir="/var/tmp") as made:
        os.chown(made, *unprivileged_user)
        yield Path(made)


@contextmanager
def neighbour(group: Path) -> Generator[int]:
    """Have a process that is not devbench in a group."""
    process = subprocess.Popen(placed(["sleep", "600"], [group]))
    try:
        while str(process.pid) not in (group / "cgroup.procs").read_text("ascii").split():
            assert process.poll() is None
        yield process.pid
    finally:
        process.kill()
        process.wait()


def own_group(pid: int | str) -> str:
    return Path(f"/proc/{pid}/cgroup").read_text("ascii").strip().removeprefix("0::")


def not_enforced(home: Path) -> set[str]:
    """Return the clauses that the doctor names as not enforced."""
    context = OpenContext(
        installation=f"i_{secrets.token_hex(6)}", state_dir=home, cache_dir=home, clock=SystemClock()
    )
    diagnosis = asyncio.run(diagnose_bubblewrap(BubblewrapSettings(folder=home), context))
    assert diagnosis.ok, diagnosis.summary
    return {note.split(": ")[1] for note in diagnosis.notes if note.startswith("not enforced: ")}


async def life(home: Path) -> tuple[str, str]:
    """Be a whole host; return how a command beyond its memory ended, and the group that the host was in."""
    config = {
        "runtime": "bubblewrap",
        "store": "memory",
        "state_dir": str(home / "state"),
        "cache_dir": str(home / "cache"),
    }
    async with devbench_core.open(config) as bench:
        wish = PolicyRequest(memory_bytes=48 * MEBIBYTE, cpus=0.5, pids=24)
        container = (await bench.containers.spawn(SpawnRequest(policy=wish))).container
        assert container.spec.policy.memory_bytes == 48 * MEBIBYTE
        eater = ["dd", "if=/dev/zero", "of=/dev/null", "bs=200M", "count=1"]
        done: Any = (await call_tool(bench, "run", {"container": container.id, "argv": eater})).structured
        ending = done["exec"]["ending"]
        return f"{ending['reason']} {ending['signal']}", own_group("self")


def test_a_user_s_service_whose_group_is_delegated_bounds_commands(home: Path):
    with made_groups("service.slice", delegated=True) as [group], neighbour(group) as pid:
        seen = forked(lambda: asyncio.run(life(home)), groups=[group], ordinary=True)
        beneath = f"/service.slice/service/devbench/{HOSTS}"
        assert seen == ("signaled 9", beneath)
        assert own_group(pid) == beneath
        with pytest.raises(OSError, match="busy"):  # a second host has to be started beneath
            (group / "cgroup.procs").write_text(str(pid), "ascii")
        assert [path.name for path in (group / "devbench").iterdir() if path.is_dir()] == [HOSTS]
    assert groups_called(HOSTS) == []


def test_the_kernel_lets_some_controllers_through_beside_processes_and_spoils_what_is_beneath():
    with made_groups("service.slice", delegated=False) as [group], neighbour(group) as pid:
        beneath = group / "beneath"
        beneath.mkdir()
        with pytest.raises(OSError, match="busy"):
            (group / "cgroup.subtree_control").write_text("+memory", "ascii")
        (group / "cgroup.subtree_control").write_text("+cpu +pids", "ascii")
        assert (beneath / "cgroup.type").read_text("ascii") == "domain invalid\n"
        with pytest.raises(OSError, match="not supported"):
            (beneath / "cgroup.procs").write_text(str(pid), "ascii")


def test_what_the_delegated_group_may_not_have_is_absent_by_name(home: Path):
    with made_groups("service.slice", delegated=True, controllers=("memory", "pids")) as groups:
        assert forked(partial(not_enforced, home), groups=groups, ordinary=True) == {"cpu"}


def test_in_a_group_beneath_the_delegated_one_nothing_is_moved(home: Path):
    def look() -> tuple[set[str], str]:
        return not_enforced(home), own_group("self")

    with made_groups("service.slice", delegated=True) as [group]:
        inner = group / "main"
        inner.mkdir()
        seen = forked(look, groups=[inner], ordinary=True)
        assert seen == (set[str](), "/service.slice/service/main")


def test_a_group_of_somebody_else_s_bounds_nothing_by_name(home: Path):
    with made_groups("session.slice", delegated=False) as groups:
        assert forked(partial(not_enforced, home), groups=groups, ordinary=True) == LIMITS


def test_root_in_a_namespace_whose_root_is_no_real_one_bounds_everything():
    def inside() -> set[str]:
        unshare(NEW_MOUNTS | NEW_GROUPS)
        mount("--make-rprivate", "/")
        subprocess.run(["umount", "/sys/fs/cgroup"], check=True, timeout=COMMAND_TIMEOUT_S)
        mount("-t", "cgroup2", "cgroup2", "/sys/fs/cgroup")
        assert own_group("self") == "/"
        with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
            Path(folder).chmod(0o711)
            return not_enforced(Path(folder))

    with made_groups("engine.slice", delegated=False) as [group], neighbour(group):
        assert forked(inside, groups=[group]) == set()


def test_a_group_with_processes_that_cannot_be_seen_bounds_nothing_and_stays_as_it_is(home: Path):
    def apart() -> set[str]:
        unshare(NEW_MOUNTS)
        mount("--make-rprivate", "/")
        unshare(NEW_PROCESSES)
        return forked(first)

    def first() -> set[str]:
        mount("-t", "proc", "proc", "/proc")
        return forked(partial(not_enforced, home), ordinary=True)

    with made_groups("service.slice", delegated=True) as [group], neighbour(group) as pid:
        assert forked(apart, groups=[group]) == LIMITS
        assert own_group(pid) == "/service.slice/service"
        assert (group / "cgroup.subtree_control").read_text("ascii").split() == []


def unshare(namespaces: int) -> None:
    libc: Callable[[int], int] = ctypes.CDLL(None, use_errno=True).unshare
    if libc(namespaces) != 0:
        raise OSError(ctypes.get_errno(), "unshare")


def mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True, timeout=COMMAND_TIMEOUT_S)
