"""Answers that are lost after the call was done: our client repeats what may be repeated, and says so of the rest."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Generator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest

from devbench_cli.backends.connecting import open_remote
from devbench_cli.backends.outgoing import Outgoing
from devbench_cli.backends.patience import Patience
from devbench_cli.backends.remote import RemoteBackend
from devbench_cli.backends.uploads import write_file
from devbench_core.errors import DevbenchError, OutcomeUnknown
from harness.cli_host import MIB
from harness.losing_proxy import Proxy
from harness.mcp_program import PROGRAM, http_program, shared_program, toml
from harness.redis_server import free_port

DEADLINE_S = 60.0
RESULT = b'"result"'
pytestmark = pytest.mark.loop_may_stall("the MCP client is imported here")


@attrs.define
class Losing:
    """A host behind a proxy, and our client.

    Attributes:
        backend: Our client.
        proxy: Between them.
        url: Of the proxy.
        repeats: How often the client said that it repeats a call.
    """

    proxy: Proxy
    url: str
    backend: RemoteBackend = attrs.field(init=False)
    repeats: int = 0

    def repeated(self) -> None:
        """Count a repeat."""
        self.repeats += 1

    def lose(self, tool: str, times: int = 1) -> None:
        """Lose the results of the next calls of a tool."""
        self.proxy.loses_answers_to = f'"{tool}"'.encode()
        self.proxy.from_word = RESULT
        self.proxy.losses = times

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool."""
        return dict(await self.backend.call(tool, arguments))

    async def error(self, tool: str, **arguments: Any) -> DevbenchError:
        """Return the error that a call must give."""
        with pytest.raises(DevbenchError) as raised:
            await self.call(tool, **arguments)
        return raised.value

    async def text(self, path: str) -> str:
        """Return a file of the container `box`."""
        return (await self.call("fs_read", container="box", path=path))["text"]


@pytest.fixture(scope="module")
def front() -> int:
    """The port of the proxy."""
    return free_port()


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory, front: int) -> Path:
    """The configuration of a host."""
    folder = tmp_path_factory.mktemp("host")
    values: dict[str, Any] = {
        "runtime": "bubblewrap",
        "store": "sql",
        "images": {"default": "host"},
        "state_dir": str(folder / "state"),
        "cache_dir": str(folder / "cache"),
        "mcp": {"allowed_hosts": [f"127.0.0.1:{front}"]},
    }
    path = folder / "devbench.toml"
    path.write_text(toml(values), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def address(config: Path) -> Generator[str]:
    """Where a host listens."""
    with shared_program(config) as program:
        yield program.url


@asynccontextmanager
async def losing(
    address: str, front: int, patience: Patience | None = None, mode: str = "auto"
) -> AsyncGenerator[Losing]:
    """Run a proxy that loses nothing yet, and our client, with a container `box`."""
    proxy = Proxy(int(address.rpartition(":")[2].partition("/")[0]))
    found = Losing(proxy, f"http://127.0.0.1:{front}/mcp")
    async with (
        proxy.on_port(front),
        open_remote(found.url, None, patience=patience, on_repeat=found.repeated, mode=mode) as found.backend,
    ):
        await found.call("spawn", alias="box", persistent=True)
        yield found
        await found.call("kill", container="box")


@pytest.fixture
def mode() -> str:
    """The era of the protocol: the newest that both speak, or one whose session lives in one host."""
    return "auto"


in_each_era = pytest.mark.parametrize("mode", ["auto", "legacy"])


@pytest.fixture
async def host(address: str, front: int, mode: str) -> AsyncGenerator[Losing]:
    """One that loses what a test says."""
    async with losing(address, front, mode=mode) as found:
        yield found


async def test_a_spawn_whose_answer_is_lost_makes_one_container(host: Losing):
    host.lose("spawn")
    made = await host.call("spawn", alias="second")
    assert host.repeats == 1
    assert made["replayed"] is False, "nobody else has our key"
    assert len((await host.call("list_containers"))["containers"]) == 2
    await host.call("kill", container="second")


@in_each_era
async def test_a_command_whose_answers_are_lost_runs_once_and_its_output_comes_whole(host: Losing):
    host.lose("exec_start", times=2)
    argv = ["sh", "-c", "echo mark >> marks; seq 1 100000"]
    started = await host.call("exec_start", container="box", argv=argv)
    assert (host.repeats, started["replayed"]) == (2, False)
    said, cursor, ended = "", 0, False
    while not ended:
        host.lose("exec_poll")
        page = await host.call("exec_poll", exec_id=started["exec"]["id"], after=cursor, wait_s=10)
        said += "".join(piece["text"] for piece in page["output"])
        cursor, ended = page["cursor"], page["ended"]
    assert said == "".join(f"{number}\n" for number in range(1, 100_001))
    assert await host.text("marks") == "mark\n"
    assert host.repeats > 5


async def test_what_must_not_be_done_twice_is_not_repeated_and_says_what_to_do(host: Losing):
    host.lose("fs_write")
    error = await host.error("fs_write", container="box", path="log", text="line\n", append=True)
    assert (error.code, error.details["tool"]) == ("outcome_unknown", "fs_write")
    assert "look whether it was done" in error.hint
    assert (await host.text("log"), host.repeats) == ("line\n", 0)
    shell = (await host.call("shell_open", container="box"))["shell"]["id"]
    host.lose("shell_run")
    error = await host.error("shell_run", shell_id=shell, script="echo ran >> ran", wait_s=0)
    assert (error.code, "shells read" in error.hint) == ("outcome_unknown", True)
    assert host.repeats == 0


async def test_a_session_that_does_not_open_leaves_a_call_unsent_and_it_is_made(host: Losing):
    line = {"container": "box", "path": "log", "text": "line\n", "append": True}
    host.lose("fs_write")
    assert (await host.error("fs_write", **line)).code == "outcome_unknown"  # and the session is dropped
    host.lose("server/discover")
    await host.call("fs_write", **line)
    assert host.proxy.losses == 0
    assert (await host.text("log"), host.repeats) == ("line\nline\n", 1)


async def test_a_condition_that_fails_at_the_repeat_does_not_tell_who_was_first(host: Losing):
    host.lose("fs_write")
    error = await host.error("fs_write", container="box", path="lock", text="mine", create_only=True)
    assert (error.code, error.details["last"]) == ("outcome_unknown", "file_conflict")
    assert (await host.text("lock"), host.repeats) == ("mine", 1)
    plain = await host.error("fs_write", container="box", path="lock", text="mine", create_only=True)
    assert plain.code == "file_conflict", "nothing was lost here"


async def devbench(host: Losing, *arguments: str) -> tuple[int | None, str]:
    """Run our command by way of the proxy; return its exit code and what it says on stderr."""
    process = await asyncio.create_subprocess_exec(
        *(str(PROGRAM.with_name("devbench")), *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "DEVBENCH_URL": host.url},
    )
    async with asyncio.timeout(DEADLINE_S):
        _, said = await process.communicate()
    return process.returncode, said.decode()


async def test_the_command_says_once_that_it_connects_again_and_what_is_gone_is_gone_with_force(host: Losing):
    notice = f"devbench: {host.url} is lost; connecting again\n"
    for name in ("one", "two"):
        await host.call("fs_write", container="box", path=name, text="")
    host.lose("fs_delete", times=2)
    code, said = await devbench(host, "rm", "box:one")
    assert (code, said.count(notice)) == (124, 1), said
    assert said.startswith(f"{notice}error[outcome_unknown]"), said
    host.lose("fs_delete")
    code, said = await devbench(host, "rm", "--force", "box:two")
    assert (code, said) == (0, notice), said
    host.lose("fs_list")
    assert await devbench(host, "--quiet", "ls", "box") == (0, "")
    host.lose("fs_list")
    code, said = await devbench(host, "--retries", "0", "ls", "box")
    assert (code, said.startswith("error[host_unreachable]")) == (69, True)


async def three_mebibytes() -> AsyncGenerator[bytes]:
    for _ in range(3):
        yield bytes(MIB)


@pytest.mark.parametrize("again", [False, True], ids=["pipe", "file"])
@pytest.mark.parametrize("was_there", [False, True])
async def test_an_upload_whose_answer_is_lost_is_not_done_twice_and_may_be_there(
    host: Losing, again: bool, was_there: bool
):
    if was_there:
        await host.call("fs_write", container="box", path="large", text="old")
    host.proxy.loses_answers_to, host.proxy.from_word, host.proxy.losses = b"PUT /files/", b"HTTP/1.1 ", 1
    with pytest.raises(OutcomeUnknown, match="look whether it is there"):
        await write_file(host.backend, "box", "large", Outgoing(read=three_mebibytes, again=again), None)
    found = await host.call("fs_stat", container="box", path="large")
    assert found["file"]["size_bytes"] == 3 * MIB
    assert host.repeats == int(again and was_there), "it is looked whether what was there is there still"


async def test_an_upload_that_was_sent_and_not_done_is_sent_again(host: Losing):
    await host.call("fs_write", container="box", path="large", text="old")
    host.proxy.endings_lost = 2
    content = Outgoing(read=three_mebibytes, again=True)
    assert (await write_file(host.backend, "box", "large", content, None)).size_bytes == 3 * MIB
    assert (host.repeats, host.proxy.endings_lost) == (2, 0)


async def test_an_upload_is_not_stopped_by_what_others_write_before_it(host: Losing):
    times = 0

    async def overtaken() -> AsyncGenerator[bytes]:
        nonlocal times
        times += 1
        yield bytes(2 * MIB)
        if times < 3:
            await host.call("fs_write", container="box", path="large", text=f"theirs {times}")
        yield b"ours"

    written = await write_file(host.backend, "box", "large", Outgoing(read=overtaken, again=True), None)
    assert (written.size_bytes, times, host.repeats) == (2 * MIB + 4, 3, 0)


async def test_an_upload_over_a_file_that_others_write_all_the_time_ends(host: Losing):
    times = 0

    async def overtaken() -> AsyncGenerator[bytes]:
        nonlocal times
        times += 1
        yield bytes(2 * MIB)
        await host.call("fs_write", container="box", path="large", text=f"theirs {times}")
        yield b"ours"

    written = await write_file(host.backend, "box", "large", Outgoing(read=overtaken, again=True), None)
    assert (written.size_bytes, times) == (2 * MIB + 4, 4)


async def test_an_outcome_that_stays_unknown_names_the_key_that_finds_it(address: str, front: int):
    async with losing(address, front, Patience(retries=3, wait_s=0.1)) as host:
        argv = ["sh", "-c", "echo mark >> marks"]
        host.lose("exec_start", times=10)
        error = await host.error("exec_start", container="box", argv=argv)
        key = error.details["idempotency_key"]
        assert error.code == "outcome_unknown"
        assert f"--idempotency-key {key}" in error.hint
        assert (host.repeats, host.proxy.losses) == (3, 6)
        host.proxy.losses = 0
        again = await host.call("exec_start", container="box", argv=argv, idempotency_key=key)
        assert again["replayed"]
        await host.call("exec_wait", exec_id=again["exec"]["id"], wait_s=20)
        assert await host.text("marks") == "mark\n"


@in_each_era
async def test_a_call_that_is_lost_takes_no_other_with_it(host: Losing):
    argv = ["sh", "-c", "until [ -e go ]; do sleep 0.01; done; echo gone"]
    started = await host.call("exec_start", container="box", argv=argv)
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(host.call("exec_wait", exec_id=started["exec"]["id"], wait_s=30))
        await host.call("status")
        host.lose("fs_stat")
        await host.call("fs_stat", container="box", path=".")
        assert host.repeats == 1
        await host.call("fs_write", container="box", path="go", text="")
    assert waiting.result()["exec"]["ending"]["exit_code"] == 0
    assert host.repeats == 1, "the wait went on in the session in which it began"


@in_each_era
async def test_a_call_that_reached_nobody_is_made_when_the_host_is_back(config: Path, mode: str):
    port, repeats = free_port(), asyncio.Event()
    line = {"container": "box", "path": "log", "text": "line\n", "append": True}
    async with AsyncExitStack() as stack:
        async with http_program(config, port) as first:
            backend = await stack.enter_async_context(
                open_remote(first.url, None, mode=mode, on_repeat=repeats.set)
            )
            await backend.call("spawn", {"alias": "box", "persistent": True})
            first.process.terminate()
            assert await first.process.wait() == 0
        writing = asyncio.create_task(backend.call("fs_write", line))
        await asyncio.wait_for(repeats.wait(), DEADLINE_S)
        second = await stack.enter_async_context(http_program(config, port))
        await writing
        second.process.terminate()
        assert await second.process.wait() == 0
        await stack.enter_async_context(http_program(config, port))
        await backend.call("fs_write", line)  # also where the session is one that this host does not know
        assert (await backend.call("fs_read", {"container": "box", "path": "log"}))["text"] == "line\nline\n"
        await backend.call("kill", {"container": "box"})
