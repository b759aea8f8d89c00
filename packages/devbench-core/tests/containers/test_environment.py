"""A container's own environment and labels: with every command and in the store, and nowhere on the engine."""

from __future__ import annotations

from typing import cast

import devbench_core
from devbench_core.containers import SpawnRequest
from devbench_core.contracts.runtime import CreateRequest
from devbench_core.model.execution import ExecRequest, TerminalSize
from devbench_core.testing.fake import FakeRuntime

OWN = {"COLOUR": "blue", "SHAPE": "round", "EMPTY": "", "ODD": "a=b\nc", "TERM": "mine"}


async def said(bench: devbench_core.Bench, container: str, request: ExecRequest) -> str:
    started = await bench.execs.start(container, request)
    await bench.execs.wait(started.id, wait_s=10)
    page = await bench.execs.poll(started.id)
    return b"".join(chunk.data for chunk in page.chunks).decode()


async def test_every_command_has_the_containers_environment_and_its_own_wins(bench: devbench_core.Bench):
    found = (await bench.containers.spawn(SpawnRequest(env=OWN))).container.id
    script = 'echo "$COLOUR $SHAPE [${EMPTY-unset}] $ODD $HOME $TERM"'
    request = ExecRequest(argv=("sh", "-c", script), env={"SHAPE": "square"})
    assert await said(bench, found, request) == "blue square [] a=b\nc /workspace mine\n"


async def test_a_program_is_looked_up_in_the_containers_own_path(bench: devbench_core.Bench):
    found = (await bench.containers.spawn(SpawnRequest(env={"PATH": "/nowhere"}))).container.id
    ended = await bench.execs.start(found, ExecRequest(argv=("true",)))
    assert ended.ending is not None
    assert ended.ending.failure == "not_found"


async def test_a_terminal_is_what_it_is_whatever_the_container_says(bench: devbench_core.Bench):
    found = (await bench.containers.spawn(SpawnRequest(env=OWN))).container.id
    tty = TerminalSize(columns=80, rows=24)
    assert await said(bench, found, ExecRequest(argv=("printenv", "TERM"), tty=tty)) == "xterm-256color\r\n"


async def test_the_engine_is_told_nothing_of_environment_labels_alias_and_tenant(
    bench: devbench_core.Bench, runtime: FakeRuntime
):
    await bench.containers.spawn(SpawnRequest())
    await bench.containers.spawn(SpawnRequest(env=OWN, labels={"team": "blue"}, alias="lab"))
    plain, rich = (
        cast("CreateRequest", call.arguments[0]) for call in runtime.faults.calls if call.name == "create"
    )
    assert (plain.env, plain.policy, plain.image) == (rich.env, rich.policy, rich.image)
    assert plain.labels.keys() == rich.labels.keys()
