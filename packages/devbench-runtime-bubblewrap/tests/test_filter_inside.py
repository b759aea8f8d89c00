"""The system call filter as programs in a container meet it."""

import errno
import platform
from collections.abc import Callable
from pathlib import Path

import attrs
import pytest

from devbench_core.model.image import Image
from devbench_core.model.policy import Policy
from devbench_core.testing.living import Live, Requests
from devbench_runtime_bubblewrap.runtime import BubblewrapRuntime
from devbench_runtime_bubblewrap.seccomp.calls import FORBIDDEN, MACHINES

LET_THROUGH = {"clone", "unix-socket", "inet-socket", "inet6-socket", "pipe"}
NOT_THERE = {"clone3", "unknown", "negative", "x32-getpid", "int80-getpid"}
EXOTIC = {"alg-socket", "vsock-socket", "tipc-socket"}


@pytest.fixture
def numbers() -> list[str]:
    """All forbidden calls of this machine, as the program wants them."""
    column = MACHINES[platform.machine()].column
    words = [(name, row[column]) for name, row in FORBIDDEN.items() if row[column] is not None]
    return [str(word) for pair in words for word in pair]


async def test_each_forbidden_call_is_refused_and_others_are_not(
    live: Live,
    wanted: Requests,
    compiled: Callable[[str], Path],
    put: Callable[[str, Path], str],
    numbers: list[str],
):
    async with live(await wanted()) as container:
        program = put(container.ref, compiled("calls"))
        outcome = await container.run(program, *numbers)
    said = {name: int(number) for name, number in map(str.split, outcome.text.splitlines())}
    assert {name for name, number in said.items() if number == 0} == LET_THROUGH
    assert {name for name, number in said.items() if number == errno.ENOSYS} == NOT_THERE
    assert {name for name, number in said.items() if number == errno.EAFNOSUPPORT} == EXOTIC
    refused = said.keys() - LET_THROUGH - NOT_THERE - EXOTIC
    assert {said[name] for name in refused} == {errno.EPERM}
    assert set(numbers[::2]) <= refused


async def test_ordinary_programs_do_not_notice_the_filter(live: Live, wanted: Requests, debian: Image):
    program = """
import asyncio, multiprocessing, os, socket, sqlite3, subprocess, sys, tempfile, threading, time
done = []
threads = [threading.Thread(target=done.append, args=(n,)) for n in range(8)]
[t.start() for t in threads]; [t.join() for t in threads]
assert sorted(done) == list(range(8))
assert subprocess.run([sys.executable, "-c", "print(6 * 7)"], capture_output=True, text=True).stdout == "42\\n"
async def main():
    server = await asyncio.start_server(lambda r, w: (w.write(b"hello"), w.close()), "127.0.0.1", 0)
    reader, _ = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
    assert await reader.read() == b"hello"
asyncio.run(main())
with multiprocessing.Pool(2) as pool:
    assert pool.map(abs, [-1, -2]) == [1, 2]
with tempfile.NamedTemporaryFile() as file, sqlite3.connect(file.name) as base:
    base.execute("create table t (a)")
assert socket.gethostbyname("localhost") == "127.0.0.1"
print("fine")
"""
    async with live(await wanted(debian)) as container:
        outcome = await container.run("python3", "-c", program)
    assert (outcome.code, outcome.text) == (0, "fine\n")


async def test_without_the_filter_new_user_namespaces_are_still_refused(
    runtime: BubblewrapRuntime,
    live: Live,
    wanted: Requests,
    policy: Policy,
    compiled: Callable[[str], Path],
    put: Callable[[str, Path], str],
):
    if "disable-userns" not in runtime.program.options:
        pytest.fail("this bwrap has no --disable-userns: the claim of this test holds from 0.8 on")
    async with live(await wanted(policy=attrs.evolve(policy, seccomp=False))) as container:
        outcome = await container.run(put(container.ref, compiled("calls")))
        status = await container.run("/usr/bin/grep", "Seccomp:", "/proc/self/status")
    said = {name: int(number) for name, number in map(str.split, outcome.text.splitlines())}
    assert status.text.split() == ["Seccomp:", "0"]
    assert said["clone-user"] in {errno.ENOSPC, errno.EPERM}
    assert said["clone-mount"] == errno.EPERM
