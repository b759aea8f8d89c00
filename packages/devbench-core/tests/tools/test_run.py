"""The tool `run`: one call for the common case, bounded in time and in output."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import devbench_core
from devbench_core.errors import ConcurrencyLimit, Conflict
from devbench_core.model.caller import LOCAL
from devbench_core.model.execution import Chunk, StreamName
from devbench_core.tools.call import call_tool
from devbench_core.tools.run import HeadAndTail, result_of

Call = Callable[..., Awaitable[dict[str, Any]]]


def text_of(result: dict[str, Any], stream: str = "stdout") -> str:
    return "".join(piece["text"] for piece in result["output"] if piece["stream"] == stream)


async def its_command(call: Call, container: str, **shown: str) -> dict[str, Any]:
    """Wait for the one command of a container to run, and to show this."""
    async with asyncio.timeout(20):
        while True:
            found = (await call("exec_list", container=container, running=True))["execs"]
            if found and shown.items() <= found[0].items():
                return found[0]
            await asyncio.sleep(0.01)


async def test_output_and_ending_come_in_one_call(call: Call, container: str):
    done = await call("run", container=container, argv=["sh", "-c", "echo out; echo err >&2; exit 3"])
    assert done["ended"] is True
    assert (done["exec"]["ending"]["reason"], done["exec"]["ending"]["exit_code"]) == ("exited", 3)
    assert (text_of(done), text_of(done, "stderr")) == ("out\n", "err\n")
    assert done["left_out_bytes"] == 0


async def test_a_program_that_is_not_there_is_a_result(call: Call, container: str):
    done = await call("run", container=container, argv=["no-such-program"])
    assert (done["ended"], done["exec"]["ending"]["failure"]) == (True, "not_found")


async def test_of_much_output_the_beginning_and_the_end_come_and_the_rest_can_be_read(
    call: Call, container: str
):
    argv = ["sh", "-c", "i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done"]
    done = await call("run", container=container, argv=argv, max_output_bytes=2000)
    shown = text_of(done)
    whole = "".join(f"line {i}\n" for i in range(20000))
    assert len(shown) == 2000
    assert (shown[:1000], shown[1000:]) == (whole[:1000], whole[-1000:])
    assert done["left_out_bytes"] == len(whole) - 2000
    page = await call("exec_poll", exec_id=done["exec"]["id"], after=done["left_out_after"])
    assert text_of(page) in whole


async def test_a_command_that_takes_longer_goes_on_and_is_continued_with_its_cursor(
    call: Call, container: str
):
    argv = ["sh", "-c", "echo one; while [ ! -e go ]; do sleep 0.02; done; echo two"]
    first = await call("run", container=container, argv=argv, wait_s=0.3)
    assert first["ended"] is False
    await call("fs_write", container=container, path="go", text="x")
    rest = await call("exec_poll", exec_id=first["exec"]["id"], after=first["cursor"], until="end", wait_s=20)
    assert (text_of(first) + text_of(rest), rest["ended"]) == ("one\ntwo\n", True)


@pytest.mark.parametrize("end_with_call", [True, False])
async def test_a_cancelled_call_ends_its_command_unless_it_shall_not(
    bench: devbench_core.Bench, call: Call, container: str, end_with_call: bool
):
    arguments = {"container": container, "argv": ["sleep", "300"], "end_with_call": end_with_call}
    calling = asyncio.create_task(call_tool(bench, "run", arguments))
    found = await its_command(call, container, state="running")
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling
    waited = await call("exec_wait", exec_id=found["id"], wait_s=10 if end_with_call else 0.2)
    assert waited["ended"] is end_with_call
    await call("exec_cancel", exec_id=found["id"])


async def test_a_run_with_a_key_runs_once_and_its_repeat_gives_the_same_output(call: Call, container: str):
    arguments = {"container": container, "argv": ["sh", "-c", "echo ran >> count; cat count; exit 3"]}
    first = await call("run", **arguments, idempotency_key="k")
    again = await call("run", **arguments, idempotency_key="k", wait_s=20, max_output_bytes=4096)
    assert (first["replayed"], again["replayed"]) == (False, True)
    assert (again["exec"], text_of(again)) == (first["exec"], "ran\n")
    started = await call("exec_start", **arguments, idempotency_key="k")
    assert (started["replayed"], started["exec"]["id"]) == (True, first["exec"]["id"])
    with pytest.raises(Conflict, match="'k'"):
        await call("run", container=container, argv=["true"], idempotency_key="k")


async def test_a_cancelled_run_with_a_key_goes_on_for_the_repeat(
    bench: devbench_core.Bench, call: Call, container: str
):
    script = "echo ran >> count; while [ ! -e go ]; do sleep 0.02; done; cat count"
    arguments = {"container": container, "argv": ["sh", "-c", script], "idempotency_key": "k"}
    calling = asyncio.create_task(call_tool(bench, "run", arguments))
    await its_command(call, container)
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling
    await call("fs_write", container=container, path="go", text="x")
    done = await call("run", **arguments)
    assert (done["replayed"], done["ended"], text_of(done)) == (True, True, "ran\n")


async def test_progress_tells_the_last_line(
    bench: devbench_core.Bench, call: Call, container: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("devbench_core.tools.progress.OUTPUT_EVERY_S", 0.0)
    told: list[str] = []

    async def progress(_done: float, _total: float | None, message: str) -> None:
        told.append(message)
        if message == "building":
            await call("fs_write", container=container, path="go", text="x")

    argv = ["sh", "-c", "echo first; echo building; while [ ! -e go ]; do sleep 0.02; done"]
    await call_tool(bench, "run", {"container": container, "argv": argv}, progress=progress)
    assert "building" in told


@pytest.mark.parametrize("tool", ["exec_wait", "exec_poll"])
async def test_who_waits_for_the_end_is_told_the_last_line_at_a_bounded_rate(
    bench: devbench_core.Bench, call: Call, container: str, tool: str
):
    argv = ["sh", "-c", "i=0; while [ ! -e go ]; do echo line $i; i=$((i+1)); sleep 0.01; done"]
    started = await call("exec_start", container=container, argv=argv)
    told: list[tuple[float, str]] = []

    async def progress(done: float, _total: float | None, message: str) -> None:
        told.append((done, message))
        if len(told) == 3:
            await call("fs_write", container=container, path="go", text="x")

    arguments: dict[str, Any] = {"exec_id": started["exec"]["id"], "wait_s": 50}
    if tool == "exec_poll":
        arguments |= {"until": "end"}
    done = (await call_tool(bench, tool, arguments, progress=progress)).structured
    assert done["ended"] is True
    assert all(message.startswith("line ") for _, message in told)
    numbers = [int(message.split()[1]) for _, message in told]
    assert numbers == sorted(numbers)
    moments = [at for at, _ in told]
    assert all(later - earlier > 0.4 for earlier, later in pairwise(moments))


async def test_the_result_of_a_run_can_be_had_again_from_its_record(
    bench: devbench_core.Bench, call: Call, container: str
):
    script = (
        "i=0; while [ $i -lt 9000 ]; do echo line $i; [ $((i % 100)) = 0 ] && echo err >&2; i=$((i+1)); done"
    )
    for most in (1024, 32768, 98304):
        done = await call("run", container=container, argv=["sh", "-c", script], max_output_bytes=most)
        assert done["ended"] is True
        again = await result_of(bench.execs, done["exec"]["id"], max_output_bytes=most, caller=LOCAL)
        assert again.model_dump(mode="json", exclude_none=True) == done


async def test_a_front_end_that_asks_for_the_rest_itself_is_answered_before_the_end(
    bench: devbench_core.Bench, container: str
):
    arguments = {"container": container, "argv": ["sleep", "300"], "wait_s": 60}
    async with asyncio.timeout(20):
        left: dict[str, Any] = (await call_tool(bench, "run", arguments, leave_after_s=0.05)).structured
    assert left["ended"] is False
    assert left["exec"]["state"] == "running"


async def test_output_that_changes_its_stream_at_every_byte_stays_small_enough_for_clients(
    call: Call, container: str
):
    script = "import os\nfor i in range(20000): os.write(1 + i % 2, b'x')"
    done = await call("run", container=container, argv=[sys.executable, "-c", script], max_output_bytes=98304)
    assert len(json.dumps(done)) < 200_000
    assert len(done["output"]) <= 500
    shown = sum(len(piece["text"]) for piece in done["output"])
    assert shown + done["left_out_bytes"] == 20000


async def test_a_run_waits_for_a_slot_no_longer_than_it_waits_at_all(call: Call, container: str):
    for _ in range(4):
        await call("exec_start", container=container, argv=["sleep", "300"])
    begun = asyncio.get_running_loop().time()
    with pytest.raises(ConcurrencyLimit):
        await call("run", container=container, argv=["true"], wait_s=0.2, queue_s=60)
    assert asyncio.get_running_loop().time() - begun < 30


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=40), st.integers(2, 300))
def test_the_beginning_and_the_end_are_exact_whatever_the_chunks(parts: list[bytes], limit: int) -> None:
    kept = HeadAndTail(limit)
    kept.add(Chunk(seq=seq, stream=StreamName.STDOUT, data=data) for seq, data in enumerate(parts, start=1))
    whole = b"".join(parts)
    pieces, seam = kept.pieces()
    shown = b"".join(piece.to_bytes() for piece in pieces)
    if seam is not None:
        assert b"".join(piece.to_bytes() for piece in pieces[:seam]) == whole[: limit // 2]
    assert len(shown) + kept.left_out_bytes == len(whole)
    if kept.left_out_bytes:
        assert len(shown) == limit
        assert shown == whole[: limit // 2] + whole[-(limit - limit // 2) :]
    else:
        assert shown == whole
    assert kept.left_out_after <= len(parts)
