"""Input and terminals through the tools, on a real agent."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from devbench_core.errors import InputUnavailable, ValidationFailed

Call = Callable[..., Awaitable[dict[str, Any]]]


async def started(call: Call, container: str, *argv: str, **more: Any) -> str:
    return str((await call("exec_start", container=container, argv=list(argv), **more))["exec"]["id"])


async def seen(call: Call, exec_id: str, words: str) -> str:
    """Poll until words are there; everything must be on stdout."""
    cursor, text = 0, ""
    while words not in text:
        page = await call("exec_poll", exec_id=exec_id, after=cursor, wait_s=10)
        assert page["output"], f"{text!r} and no more"
        assert {piece["stream"] for piece in page["output"]} == {"stdout"}
        text += "".join(piece["text"] for piece in page["output"])
        cursor = page["cursor"]
    return text


async def test_a_program_that_asks_is_answered(call: Call, container: str):
    script = "import sys\nfor line in sys.stdin: print(int(line) * 2, flush=True)\nprint('over')"
    exec_id = await started(call, container, "python3", "-c", script, open_stdin=True, stdin="1\n")
    assert await seen(call, exec_id, "2\n") == "2\n"
    taken = await call("exec_input", exec_id=exec_id, text="21\n")
    assert taken == {"accepted_bytes": 3, "complete": True, "eof": False}
    assert await seen(call, exec_id, "42\n") == "2\n42\n"
    encoded = base64.b64encode(b"4\n").decode()
    taken = await call("exec_input", exec_id=exec_id, base64=encoded, eof=True)
    assert taken == {"accepted_bytes": 2, "complete": True, "eof": True}
    await seen(call, exec_id, "8\nover\n")
    ended = (await call("exec_wait", exec_id=exec_id))["exec"]
    assert ended["ending"]["exit_code"] == 0
    with pytest.raises(InputUnavailable):
        await call("exec_input", exec_id=exec_id, text="1\n")


async def test_a_shell_at_a_terminal_is_typed_at_interrupted_and_resized(call: Call, container: str):
    tty = {"columns": 100, "rows": 30}
    shell = ["sh", "-c", "stty -echo; trap 'echo caught' INT; while :; do read line && eval \"$line\"; done"]
    exec_id = await started(call, container, *shell, tty=tty)
    await call("exec_input", exec_id=exec_id, text="stty size; echo $TERM\n")
    await seen(call, exec_id, "30 100\r\nxterm-256color\r\n")
    assert await call("exec_resize", exec_id=exec_id, columns=90, rows=20) == {"resized": True}
    await call("exec_input", exec_id=exec_id, text="stty size\n")
    await seen(call, exec_id, "20 90\r\n")
    await call("exec_input", exec_id=exec_id, text="\u0003")
    await seen(call, exec_id, "caught\r\n")
    found = (await call("exec_list", container=container))["execs"]
    assert next(each["tty"] for each in found if each["id"] == exec_id) is True
    await call("exec_cancel", exec_id=exec_id)
    assert await call("exec_resize", exec_id=exec_id, columns=90, rows=20) == {"resized": False}


async def test_what_a_command_does_not_read_in_time_is_told(call: Call, container: str):
    exec_id = await started(call, container, "sleep", "300", open_stdin=True)
    taken = await call("exec_input", exec_id=exec_id, text="x" * 1_000_000, wait_s=0.1)
    assert 0 < taken["accepted_bytes"] < 1_000_000
    assert taken["complete"] is False


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "is missing"),
        ({"text": "a", "base64": "YQ=="}, "exclude each other"),
        ({"base64": "?"}, "is not base64"),
        ({"text": "a", "wait_s": 3600}, "wait_s"),
    ],
)
async def test_wrong_input_is_refused_by_name(
    call: Call, container: str, given: dict[str, Any], message: str
):
    exec_id = await started(call, container, "cat", open_stdin=True)
    with pytest.raises(ValidationFailed, match=message):
        await call("exec_input", exec_id=exec_id, **given)


@pytest.mark.parametrize("size", [{"columns": 0}, {"rows": 5000}, {"width": 80}])
async def test_an_impossible_terminal_is_refused_by_name(call: Call, container: str, size: dict[str, int]):
    with pytest.raises(ValidationFailed, match=f"tty.{next(iter(size))}"):
        await call("exec_start", container=container, argv=["true"], tty=size)
