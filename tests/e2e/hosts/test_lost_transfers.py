"""A host that is killed in the middle of a transfer: another one has it whole."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncGenerator, Generator
from contextlib import ExitStack
from typing import Any

import pytest

from devbench_cli.backends.connecting import open_remote
from devbench_cli.backends.contents import pages
from devbench_cli.backends.outgoing import Outgoing
from devbench_cli.backends.uploads import write_file
from devbench_cli.places import InContainer
from harness.cli_host import MIB
from harness.losing_proxy import Proxy
from harness.mcp_program import Shared, shared_program, toml
from harness.redis_server import free_port

PIECE, PIECES, KILLED_AT = MIB, 32, 6
CONTENT = [os.urandom(PIECE) for _ in range(PIECES)]
pytestmark = pytest.mark.loop_may_stall("our client is imported here")


@pytest.fixture
def front() -> int:
    """The port by which all hosts are reached, one at a time."""
    return free_port()


@pytest.fixture
def hosts(tmp_path_factory: pytest.TempPathFactory, front: int) -> Generator[list[Shared]]:
    """Three that share everything."""
    folder = tmp_path_factory.mktemp("hosts")
    values: dict[str, Any] = {
        "runtime": "bubblewrap",
        "store": "sql",
        "images": {"default": "host"},
        "state_dir": str(folder / "state"),
        "cache_dir": str(folder / "cache"),
        "startup": {"heartbeat_s": 0.5},
        "mcp": {"allowed_hosts": [f"127.0.0.1:{front}"], "link_key": "k" * 32},
    }
    config = folder / "devbench.toml"
    config.write_text(toml(values), encoding="utf-8")
    with ExitStack() as stack:
        yield [stack.enter_context(shared_program(config, name)) for name in ("one", "two", "three")]


async def test_a_transfer_is_finished_by_another_host_when_its_own_is_killed(hosts: list[Shared], front: int):
    ports = [int(host.base.rpartition(":")[2]) for host in hosts]
    proxy, left = Proxy(ports[0]), list(hosts)

    def kill() -> None:
        os.kill(left.pop(0).pid, signal.SIGKILL)
        proxy.target = ports[len(ports) - len(left)]

    async def content() -> AsyncGenerator[bytes]:
        for number, piece in enumerate(CONTENT):
            if number == KILLED_AT and len(left) == len(hosts):
                kill()
            yield piece

    url = f"http://127.0.0.1:{front}/mcp"
    async with proxy.on_port(front), open_remote(url, None) as backend:
        await backend.call("spawn", {"alias": "box", "persistent": True})
        await write_file(backend, "box", "large", Outgoing(read=content, again=True), None)
        came = bytearray()
        async for _, piece in pages(backend, InContainer("box", "large")):
            came += piece
            if len(came) > KILLED_AT * PIECE and len(left) == len(hosts) - 1:
                kill()
        assert bytes(came) == b"".join(CONTENT)
        assert len(left) == 1
        await backend.call("kill", {"container": "box"})
