"""``devbench-mcp`` as a process: how it starts, stops and refuses."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from harness.greeting import INITIALIZE
from harness.mcp_program import PROGRAM, Address, http_program, over_http, toml

Configure = Callable[..., Path]
GRACE_S = 10.0
LINE_MAX = 1024 * 1024
TOKEN = "a-token-of-sixteen-characters"


async def program_output(*arguments: str, stdin: bytes = b"", **environment: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        *(str(PROGRAM), *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **environment},
    )
    out, err = await asyncio.wait_for(process.communicate(stdin), 60)
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


def message(number: int, method: str, **params: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}).encode() + b"\n"


HELLO = json.dumps(INITIALIZE).encode() + b"\n"
INITIALIZED = b'{"jsonrpc":"2.0","method":"notifications/initialized"}\n'


async def test_on_stdio_it_ends_cleanly_with_its_input_and_says_nothing_else_on_stdout(configure: Configure):
    code, out, err = await program_output("--config", str(configure()), "--log-level", "debug", stdin=HELLO)
    assert code == 0, err
    answers = [json.loads(line) for line in out.splitlines()]
    assert [answer["id"] for answer in answers] == [1]
    assert "Traceback" not in err


async def test_on_stdio_a_signal_ends_it_while_its_input_is_open(configure: Configure):
    process = await asyncio.create_subprocess_exec(
        *(str(PROGRAM), "--config", str(configure())),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(HELLO)
    await asyncio.wait_for(process.stdout.readline(), 30)
    process.terminate()
    assert await asyncio.wait_for(process.wait(), 10) == 0


async def answer(process: asyncio.subprocess.Process) -> dict[str, Any]:
    assert process.stdout is not None
    return json.loads(await asyncio.wait_for(process.stdout.readline(), 60))


@asynccontextmanager
async def raw_program(config: Path, *arguments: str) -> AsyncGenerator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *(str(PROGRAM), "--config", str(config), *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=LINE_MAX,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


def with_docker_at(socket: Path, **startup: Any) -> Path:
    """Return a configuration for an engine that listens there, if at all."""
    values: dict[str, Any] = {
        "runtime": "docker",
        "state_dir": str(socket.parent / "state"),
        "cache_dir": str(socket.parent / "cache"),
        "startup": startup,
        "plugin": {"docker": {"host": f"unix://{socket}"}},
    }
    path = socket.with_name("devbench.toml")
    path.write_text(toml(values))
    return path


class Silent:
    """A server that takes connections and says nothing until it is to cut them."""

    def __init__(self) -> None:
        self.asked, self.cut = asyncio.Event(), asyncio.Event()

    async def serve(self, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked.set()
        await self.cut.wait()
        writer.close()


async def test_on_stdio_a_client_is_greeted_while_the_engine_is_silent_and_served_when_it_has_waited_for_it(
    tmp_path: Path,
):
    silent, path = Silent(), tmp_path / "silent.sock"
    config = with_docker_at(path, engine_wait_s=0, engine_silent="degrade")
    async with await asyncio.start_unix_server(silent.serve, path), raw_program(config) as process:
        assert process.stdin is not None
        process.stdin.write(HELLO)
        assert (await answer(process))["result"]["serverInfo"]["name"] == "devbench"
        process.stdin.write(INITIALIZED + message(2, "tools/list"))
        await asyncio.wait_for(silent.asked.wait(), 30)
        silent.cut.set()
        listed = await answer(process)
        assert listed["id"] == 2
        assert "spawn" in {tool["name"] for tool in listed["result"]["tools"]}
        process.stdin.close()
        assert await asyncio.wait_for(process.wait(), 30) == 0


async def test_on_stdio_a_client_that_says_nothing_after_the_greeting_does_not_keep_the_core_closed(
    tmp_path: Path,
):
    silent, path = Silent(), tmp_path / "silent.sock"
    config = with_docker_at(path)
    async with await asyncio.start_unix_server(silent.serve, path), raw_program(config) as process:
        assert process.stdin is not None
        process.stdin.write(HELLO)
        assert (await answer(process))["id"] == 1
        await asyncio.wait_for(silent.asked.wait(), 30)
        silent.cut.set()


@pytest.mark.parametrize("arguments", [(), ("--transport", "http", "--port", "0")], ids=["stdio", "http"])
@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
async def test_it_stops_cleanly_while_it_waits_for_a_silent_engine(
    tmp_path: Path, arguments: tuple[str, ...], end: signal.Signals
):
    silent, path = Silent(), tmp_path / "silent.sock"
    config = with_docker_at(path, engine_wait_s=300)
    async with (
        await asyncio.start_unix_server(silent.serve, path),
        raw_program(config, *arguments) as process,
    ):
        await asyncio.wait_for(silent.asked.wait(), 30)
        process.send_signal(end)
        assert await asyncio.wait_for(process.wait(), 30) == 0  # not what the hard end after the grace gives
        silent.cut.set()


async def test_on_stdio_a_core_that_cannot_be_opened_ends_it_with_the_reason_although_it_greeted(
    tmp_path: Path,
):
    config = with_docker_at(tmp_path / "nobody.sock", engine_wait_s=0, engine_silent="fail")
    code, out, err = await program_output(
        "--config", str(config), stdin=HELLO + INITIALIZED + message(2, "ping")
    )
    assert code == 1
    assert [json.loads(line)["id"] for line in out.splitlines()] == [1]
    assert "nobody.sock" in err
    assert "Traceback" not in err


async def test_what_is_no_message_does_not_end_it(configure: Configure):
    garbage = b"not json\n" + HELLO + b'{"jsonrpc":"2.0"}\n\n' + message(2, "ping")
    code, out, _ = await program_output("--config", str(configure()), stdin=garbage)
    assert code == 0
    answers = {answer.get("id"): answer for answer in map(json.loads, out.splitlines())}
    assert "result" in answers[1]
    assert 2 not in answers or "result" in answers[2]  # its input may have ended first


async def test_term_ends_it_within_its_grace_although_clients_hold_streams_open(configure: Configure):
    config = configure(mcp={"grace_s": GRACE_S})
    async with (
        http_program(config) as program,
        over_http(program.url, "legacy") as legacy,
        over_http(program.url, "auto") as modern,
        asyncio.TaskGroup() as group,
    ):
        container = (await legacy("spawn"))["container"]["id"]
        started = await modern("exec_start", container=container, argv=["sleep", "60"])
        listening = asyncio.Event()

        async def listen() -> None:
            async with modern.client.listen(tools_list_changed=True) as subscription:
                listening.set()
                async for _ in subscription:
                    pass

        async def wait() -> None:
            # What the client is told is not the point here: its stream is cut.
            await asyncio.gather(
                legacy.client.call_tool("exec_wait", {"exec_id": started["exec"]["id"], "wait_s": 60}),
                return_exceptions=True,
            )

        group.create_task(listen())
        waiting = group.create_task(wait())
        await asyncio.wait_for(listening.wait(), 10)
        await asyncio.wait({waiting}, timeout=0.3)
        begun = time.monotonic()
        program.process.send_signal(signal.SIGTERM)
        code = await asyncio.wait_for(program.process.wait(), GRACE_S + 1)
        assert time.monotonic() - begun < GRACE_S + 0.5
        assert code == 0
        waiting.cancel()


async def test_an_open_address_without_a_token_is_refused_before_anything_starts(configure: Configure):
    code, _, err = await program_output(
        "--config",
        str(configure()),
        "--transport",
        "http",
        "--host",
        "0.0.0.0",  # noqa: S104 - it must be refused
        "--port",
        "0",
    )
    assert code == 1
    assert "needs a bearer token" in err
    assert "Traceback" not in err


async def test_a_port_that_is_taken_is_named(program: Address, configure: Configure):
    port = program.base.rpartition(":")[2]
    code, _, err = await program_output("--config", str(configure()), "--transport", "http", "--port", port)
    assert code == 1
    assert f"cannot listen on 127.0.0.1:{port}" in err


async def test_every_fault_of_the_configuration_is_named(tmp_path: Path):
    path = tmp_path / "devbench.toml"
    path.write_text(toml({"mcp": {"prot": 1, "grace_s": 0}}))
    code, _, err = await program_output("--config", str(path))
    assert code == 1
    assert "did you mean 'port'?" in err
    assert "mcp.grace_s" in err


async def test_a_token_from_a_variable_opens_the_door(configure: Configure):
    config = configure()
    tokens = [{"token_env": "ACME_TOKEN", "subject": "acme", "tenant": "acme"}]
    variables = {"ACME_TOKEN": TOKEN, "DEVBENCH_MCP__TOKENS": json.dumps(tokens)}
    async with http_program(config, 0, **variables) as program:
        async with httpx2.AsyncClient() as http:
            assert (await http.post(program.url, json={})).status_code == 401
            assert (await http.get(f"{program.base}/metrics")).status_code == 401
            assert (await http.get(f"{program.base}/readyz")).status_code == 200
        async with over_http(program.url, "auto", TOKEN) as tools:
            spawned = await tools("spawn")
            ended = await tools("kill", container=spawned["container"]["id"])
    assert ended["container"]["ending"]["by"] == "acme"


async def test_it_is_alive_and_ready_and_counts_what_it_does(program: Address):
    async with over_http(program.url, "auto") as tools, httpx2.AsyncClient() as http:
        await tools("status")
        assert (await http.get(f"{program.base}/healthz")).text == "alive\n"
        assert (await http.get(f"{program.base}/readyz")).json()["ready"] is True
        metrics = (await http.get(f"{program.base}/metrics")).text
    assert 'devbench_tool_calls_total{code="ok",tool="status"}' in metrics


async def test_an_engine_that_does_not_answer_makes_it_alive_but_not_ready(tmp_path: Path):
    config = with_docker_at(tmp_path / "nobody.sock", engine_wait_s=0.2, engine_silent="degrade")
    async with http_program(config) as program, httpx2.AsyncClient() as http:
        assert (await http.get(f"{program.base}/healthz")).status_code == 200
        answer = await http.get(f"{program.base}/readyz")
        assert answer.status_code == 503
        assert answer.json()["runtime"] == "engine_unreachable"
        async with over_http(program.url, "auto") as tools:
            assert (await tools("status"))["runtime"]["answers"] is False
            error = await tools.error("spawn", image="any")
            assert error["code"] == "engine_unreachable"
            assert error["retry"] is True


@pytest.mark.parametrize("arguments", [["--version"], ["--help"]])
async def test_it_says_what_it_is(arguments: list[str]):
    code, out, _ = await program_output(*arguments)
    assert code == 0
    assert "devbench-mcp" in out
