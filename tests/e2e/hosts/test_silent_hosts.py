"""Hosts from which nothing comes any more, while nothing says that they are gone: our client notices, and only then."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncGenerator, Generator
from typing import Any

import attrs
import pytest

from devbench_cli.backends.connecting import open_remote
from devbench_cli.backends.patience import Patience
from devbench_cli.backends.remote import RemoteBackend
from harness.losing_proxy import Proxy
from harness.mcp_program import Shared, shared_program, toml
from harness.redis_server import free_port

SIGN_S, SILENT_S, LONG_S = 0.4, 1.5, 4.0
NOTICED_S, DEADLINE_S = 20.0, 60.0
WAITS = ["sh", "-c", "echo mark >> marks; until [ -e go ]; do sleep 0.02; done; exit 7"]
pytestmark = pytest.mark.loop_may_stall("our client is imported here")


@attrs.define
class Pair:
    """Two hosts that share everything, and a way that leads to one of them.

    Attributes:
        first: Where it leads at first.
        second: The other one.
        proxy: The way.
        url: Its address.
        repeated: Set when our client repeats a call.
    """

    first: Shared
    second: Shared
    proxy: Proxy
    url: str
    repeated: asyncio.Event = attrs.field(factory=asyncio.Event)

    def silence(self) -> None:
        """Stop the first host where it is."""
        os.kill(self.first.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it go on."""
        os.kill(self.first.pid, signal.SIGCONT)

    def lead_away(self) -> None:
        """Lead connections that begin from now on to the second host."""
        self.proxy.target = _port(self.second)


def _port(host: Shared) -> int:
    return int(host.base.rpartition(":")[2])


@pytest.fixture(scope="module")
def front() -> int:
    """The port of the way."""
    return free_port()


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory, front: int) -> Generator[tuple[Shared, Shared]]:
    """The two."""
    folder = tmp_path_factory.mktemp("hosts")
    values: dict[str, Any] = {
        "runtime": "bubblewrap",
        "store": "sql",
        "images": {"default": "host"},
        "state_dir": str(folder / "state"),
        "cache_dir": str(folder / "cache"),
        "startup": {"heartbeat_s": 0.5, "dead_after_s": 2},
        "mcp": {"allowed_hosts": [f"127.0.0.1:{front}"], "keep_alive_s": SIGN_S},
    }
    config = folder / "devbench.toml"
    config.write_text(toml(values), encoding="utf-8")
    with shared_program(config, "first") as first, shared_program(config, "second") as second:
        yield first, second


@pytest.fixture
async def pair(hosts: tuple[Shared, Shared], front: int) -> AsyncGenerator[Pair]:
    """They, with a way that leads to the first one."""
    first, second = hosts
    proxy = Proxy(_port(first))
    async with proxy.on_port(front):
        found = Pair(first, second, proxy, f"http://127.0.0.1:{front}/mcp")
        try:
            yield found
        finally:
            found.go_on()


@pytest.fixture(params=["auto", "legacy"])
async def backend(pair: Pair, request: pytest.FixtureRequest) -> AsyncGenerator[RemoteBackend]:
    """Our client, in each era of the protocol, with a container `box`."""
    patience = Patience(silent_s=SILENT_S)
    async with open_remote(
        pair.url, None, patience=patience, on_repeat=pair.repeated.set, mode=request.param
    ) as opened:
        await opened.call("spawn", {"alias": "box", "persistent": True})
        yield opened
        await opened.call("kill", {"container": "box"})


async def test_a_host_that_went_silent_is_noticed_and_its_calls_are_made_elsewhere_once(
    pair: Pair, backend: RemoteBackend
):
    started = await backend.call("exec_start", {"container": "box", "argv": WAITS})
    wait = {"exec_id": started["exec"]["id"], "wait_s": 60}
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(backend.call("exec_wait", wait))
        await backend.call("status", {})
        pair.silence()
        pair.lead_away()
        spawning = tasks.create_task(backend.call("spawn", {"alias": "second"}))
        await asyncio.wait_for(pair.repeated.wait(), NOTICED_S)
        async with asyncio.timeout(DEADLINE_S):
            await spawning
            await backend.call("fs_write", {"container": "box", "path": "go", "text": ""})
            await waiting
    assert waiting.result()["exec"]["ending"]["exit_code"] == 7
    assert (await backend.call("fs_read", {"container": "box", "path": "marks"}))["text"] == "mark\n"
    pair.go_on()
    found = (await backend.call("list_containers", {}))["containers"]
    assert sorted(each["alias"] for each in found) == ["box", "second"]
    await backend.call("kill", {"container": "second"})


async def test_a_long_call_of_a_host_that_is_there_is_not_taken_for_silent(
    pair: Pair, backend: RemoteBackend
):
    started = await backend.call("exec_start", {"container": "box", "argv": WAITS})
    waited = await backend.call("exec_wait", {"exec_id": started["exec"]["id"], "wait_s": LONG_S})
    assert (waited["ended"], pair.repeated.is_set()) == (False, False)


async def test_a_host_that_is_silent_from_the_beginning_is_noticed(pair: Pair):
    pair.silence()
    async with asyncio.TaskGroup() as tasks, asyncio.timeout(DEADLINE_S):
        opening = tasks.create_task(_status(pair))
        await asyncio.wait_for(pair.repeated.wait(), NOTICED_S)
        pair.lead_away()
    assert opening.result()["runtime"]["name"] == "bubblewrap"


async def _status(pair: Pair) -> Any:
    async with open_remote(
        pair.url, None, patience=Patience(silent_s=SILENT_S), on_repeat=pair.repeated.set
    ) as opened:
        return await opened.call("status", {})
