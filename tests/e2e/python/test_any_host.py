"""Any host serves any call for any command, whichever host follows it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

import devbench_core
from devbench_core.errors import InputUnavailable
from devbench_core.model.execution import ExecReason
from devbench_core.model.shell import RunReason
from harness.standing_host import Host, standing_host

DEADLINE_S = 20.0


@pytest.fixture
async def far(config: dict[str, Any]) -> AsyncGenerator[Host]:
    """The host that follows the commands."""
    async with standing_host(config) as host:
        yield host


async def said(bench: devbench_core.Bench, exec_id: str, word: bytes) -> bytes:
    """Read output until a word is there."""
    text, cursor = b"", 0
    async with asyncio.timeout(DEADLINE_S):
        while word not in text:
            page = await bench.execs.poll(exec_id, after=cursor, wait_s=DEADLINE_S)
            text, cursor = text + b"".join(chunk.data for chunk in page.chunks), page.cursor
    return text


async def test_input_reaches_a_command_through_a_host_that_does_not_follow_it(
    far: Host, bench: devbench_core.Bench
):
    container = await far("spawn", "talks")
    exec_id = await far(
        "start_open", container, "sh", "-c", "while read line; do echo =$line=; done; echo over"
    )
    for number in range(5):
        taken = await bench.execs.write_input(exec_id, b"here %d\n" % number)
        assert taken.accepted_bytes == 7
        assert await far("input", exec_id, f"there {number}\n") == [8, False]
        await said(bench, exec_id, b"=there %d=" % number)
    assert (await bench.execs.write_input(exec_id, b"", eof=True)).eof
    ended = await bench.execs.wait(exec_id, wait_s=DEADLINE_S)
    assert ended.ending is not None
    assert (ended.ending.reason, ended.ending.exit_code) == (ExecReason.EXITED, 0)
    lines = [f"={who} {number}=" for number in range(5) for who in ("here", "there")]
    assert (await said(bench, exec_id, b"over")).decode().split("\n") == [*lines, "over", ""]
    with pytest.raises(InputUnavailable) as refused:
        await bench.execs.write_input(exec_id, b"late\n")
    assert refused.value.details["reason"] == "ended"
    await bench.containers.kill(container)


async def test_a_run_is_cancelled_through_another_host_although_its_shell_has_no_input_any_more(
    far: Host, bench: devbench_core.Bench
):
    container = await far("spawn", "closed")
    shell = await far("open_shell", container)
    run = await bench.shells.run(shell, "exec <&-; echo closed; sleep 600", interactive=True)
    page = await bench.shells.poll(shell, after=run.after, run=run.number, wait_s=DEADLINE_S)
    assert page.chunks
    await far("type_into", shell, "nobody reads\n")  # by which the host learns of it
    async with asyncio.timeout(DEADLINE_S):
        cancelled = await bench.shells.cancel(shell)
    assert cancelled is not None
    assert cancelled.reason is RunReason.CANCELLED
    await bench.containers.kill(container)


async def test_output_is_seen_by_another_host_as_it_comes_and_is_the_same(
    far: Host, bench: devbench_core.Bench
):
    container = await far("spawn", "counts")
    script = "i=0; while [ $i -lt 200 ]; do i=$((i+1)); echo $i; sleep 0.005; done"
    exec_id = await far("start", container, "sh", "-c", script)
    text = await said(bench, exec_id, b"200\n")
    assert text == b"".join(b"%d\n" % number for number in range(1, 201))
    theirs, cursor, ending = "", 0, None
    while ending is None:
        more, cursor, ending = await far("poll", exec_id, cursor, 5)
        theirs += more
    assert (theirs.encode(), ending) == (text, 0)
    await bench.containers.kill(container)
