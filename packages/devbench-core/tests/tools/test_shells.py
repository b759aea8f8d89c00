"""The tools for persistent shells, as an agent uses them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import devbench_core
from devbench_core.errors import ShellBusy, ShellIdle, ValidationFailed
from devbench_core.tools.call import call_tool

Call = Callable[..., Awaitable[dict[str, Any]]]


def text_of(result: dict[str, Any], stream: str = "stdout") -> str:
    return "".join(piece["text"] for piece in result["output"] if piece["stream"] == stream)


@pytest.fixture
async def shell(call: Call, container: str) -> str:
    opened = await call("shell_open", container=container)
    assert opened["shell"]["state"] == "idle"
    assert opened["shell"].get("run") is None
    return str(opened["shell"]["id"])


async def test_steps_build_on_each_other(call: Call, shell: str):
    first = await call("shell_run", shell_id=shell, script="mkdir d; cd d; x=5; echo err >&2; (exit 3)")
    assert (first["ended"], first["run"]["exit_code"], first["run"]["number"]) == (True, 3, 1)
    assert (text_of(first), text_of(first, "stderr")) == ("", "err\n")
    assert first["cwd"].endswith("/d")
    second = await call("shell_run", shell_id=shell, script="echo $x; pwd")
    assert text_of(second) == f"5\n{first['cwd']}\n"


async def test_a_run_that_takes_longer_goes_on_and_is_read_to_its_end(call: Call, container: str, shell: str):
    script = "echo one; while [ ! -e go ]; do sleep 0.02; done; echo two"
    first = await call("shell_run", shell_id=shell, script=script, wait_s=2)
    assert (first["ended"], text_of(first)) == (False, "one\n")
    with pytest.raises(ShellBusy):
        await call("shell_run", shell_id=shell, script="echo other")
    await call("fs_write", container=container, path="go", text="x")
    rest = await call("shell_read", shell_id=shell, after=first["cursor"], until=["never said"], wait_s=20)
    assert (text_of(rest), rest["stopped_by"]) == ("two\n", "run_ended")
    assert (rest["run"]["exit_code"], rest["run"]["shell_kept"]) == (0, True)


async def test_of_much_output_the_beginning_and_the_end_come_and_the_rest_can_be_read(call: Call, shell: str):
    script = "i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done"
    done = await call("shell_run", shell_id=shell, script=script, max_output_bytes=2000)
    whole = "".join(f"line {i}\n" for i in range(20000))
    shown = text_of(done)
    assert (shown[:1000], shown[1000:]) == (whole[:1000], whole[-1000:])
    page = await call("shell_read", shell_id=shell, after=done["left_out_after"], wait_s=0)
    assert text_of(page) in whole


async def test_the_python_repl_is_driven_by_input_and_a_prompt(call: Call, shell: str):
    begun = await call("shell_run", shell_id=shell, script="python3 -i -q 2>&1", interactive=True, wait_s=0)
    first = await call("shell_read", shell_id=shell, after=begun["cursor"], until=[">>> "])
    assert (first["stopped_by"], first["found"]) == ("text", ">>> ")
    typed = await call("shell_input", shell_id=shell, text="6 * 7\n")
    answer = await call("shell_read", shell_id=shell, after=typed["cursor"], until=["... ", ">>> "])
    assert (text_of(answer), answer["found"]) == ("42\n>>> ", ">>> ")
    typed = await call("shell_input", shell_id=shell, text="exit(4)\n")
    last = await call("shell_read", shell_id=shell, after=typed["cursor"], until=[">>> "])
    assert (last["stopped_by"], last["run"]["exit_code"]) == ("run_ended", 4)


async def test_reading_stops_when_it_is_quiet(call: Call, shell: str):
    begun = await call("shell_run", shell_id=shell, script="echo here; cat", interactive=True, wait_s=0)
    heard = await call("shell_read", shell_id=shell, after=begun["cursor"], quiet_s=0.2, wait_s=20)
    assert (text_of(heard), heard["stopped_by"]) == ("here\n", "quiet")
    nothing = await call("shell_read", shell_id=shell, after=heard["cursor"], wait_s=0.1)
    assert (nothing["output"], nothing["stopped_by"]) == ([], "time")


async def test_reading_one_run_ends_where_it_does_and_may_take_what_is_there(call: Call, shell: str):
    job = "( until [ -e go ]; do sleep 0.02; done; echo from the job; touch said ) & echo one"
    first = await call("shell_run", shell_id=shell, script=job)
    await call(
        "shell_run", shell_id=shell, script="touch go; until [ -e said ]; do sleep 0.02; done; echo two"
    )
    read = {"shell_id": shell, "after": first["run"]["after"], "run": 1, "wait_s": 20}
    page = await call("shell_read", **read, quiet_s=0)
    assert (text_of(page), page["stopped_by"]) == ("one\n", "run_ended")
    assert page["run"]["number"] == 1


async def test_with_no_quiet_at_all_output_is_returned_as_soon_as_it_comes(call: Call, shell: str):
    begun = await call("shell_run", shell_id=shell, script="echo here; cat", interactive=True, wait_s=0)
    heard = await call("shell_read", shell_id=shell, after=begun["cursor"], quiet_s=0, wait_s=20)
    assert (text_of(heard), heard["stopped_by"]) == ("here\n", "quiet")


async def test_a_text_is_found_across_pieces_of_output(call: Call, shell: str):
    script = "printf 'pro'; sleep 0.2; printf 'mpt'; cat"
    begun = await call("shell_run", shell_id=shell, script=script, interactive=True, wait_s=0)
    heard = await call("shell_read", shell_id=shell, after=begun["cursor"], until=["prompt"], wait_s=20)
    assert (text_of(heard), heard["found"]) == ("prompt", "prompt")


async def test_an_expression_tells_what_it_matched_across_pieces_of_output(call: Call, shell: str):
    script = "printf 'user@ho'; sleep 0.2; printf 'st:~$ '; cat"
    begun = await call("shell_run", shell_id=shell, script=script, interactive=True, wait_s=0)
    regex = r"(\w+)@(\w+):\S+[$#] $"
    heard = await call(
        "shell_read", shell_id=shell, after=begun["cursor"], until=["never"], until_regex=[regex], wait_s=20
    )
    assert (heard["stopped_by"], heard["found"]) == ("pattern", regex)
    assert heard["match"] == {"text": "user@host:~$ ", "groups": ["user", "host"]}


async def test_an_expression_that_would_run_away_elsewhere_reads_a_mebibyte_and_blocks_nobody(
    call: Call, shell: str
):
    script = "head -c 1048576 /dev/zero | tr '\\0' a; echo; echo done"
    begun = await call("shell_run", shell_id=shell, script=script, wait_s=0)
    cursor, stopped, size = begun["cursor"], "full", 0
    page: dict[str, Any] = {}
    while stopped == "full":
        page = await call(
            "shell_read", shell_id=shell, after=cursor, until_regex=["(a+)+b$", "don(e)"], max_bytes=98304
        )
        cursor, stopped = page["cursor"], page["stopped_by"]
        size += len(text_of(page))
    assert (stopped, page["match"]["groups"]) == ("pattern", ["e"])
    assert size >= 1048576


async def test_an_expression_that_is_none_is_refused_and_the_shell_goes_on(call: Call, shell: str):
    with pytest.raises(ValidationFailed) as refused:
        await call("shell_read", shell_id=shell, until_regex=["(open"])
    assert refused.value.details["field"] == "until_regex"
    assert text_of(await call("shell_run", shell_id=shell, script="echo on")) == "on\n"


async def test_a_timeout_interrupts_and_keeps_the_shell(call: Call, shell: str):
    done = await call("shell_run", shell_id=shell, script="x=1; sleep 300", timeout_s=0.3)
    assert (done["run"]["reason"], done["run"]["shell_kept"]) == ("timed_out", True)
    assert text_of(await call("shell_run", shell_id=shell, script="echo $x")) == "1\n"


async def test_a_cancel_tells_what_became_of_the_run_and_the_shell(call: Call, shell: str):
    await call("shell_run", shell_id=shell, script="sleep 300", wait_s=0)
    done = await call("shell_cancel", shell_id=shell)
    assert (done["run"]["reason"], done["shell"]["state"]) == ("cancelled", "idle")
    assert (await call("shell_cancel", shell_id=shell)).get("run") is None


async def test_a_shell_that_a_script_ends_says_so(call: Call, container: str, shell: str):
    done = await call("shell_run", shell_id=shell, script="echo bye; exit 6")
    assert (text_of(done), done["run"]["reason"], done["run"]["exit_code"]) == ("bye\n", "shell_ended", 6)
    assert done["run"]["shell_kept"] is False
    assert (await call("shell_list", container=container))["shells"] == []
    (ended,) = (await call("shell_list", container=container, ended=True))["shells"]
    assert ended["state"] == "ended"


async def test_a_closed_shell_can_still_be_read(call: Call, shell: str):
    await call("shell_run", shell_id=shell, script="echo said")
    assert (await call("shell_close", shell_id=shell))["shell"]["state"] == "ended"
    page = await call("shell_read", shell_id=shell, until=["never said"], wait_s=20)
    assert (text_of(page), page["stopped_by"]) == ("said\n", "shell_ended")
    assert page["ending"]["reason"] == "cancelled"


async def test_polling_a_shell_as_the_command_that_it_is_shows_no_reports(call: Call, shell: str):
    await call("shell_run", shell_id=shell, script="echo one")
    await call("shell_run", shell_id=shell, script="echo two")
    assert text_of(await call("exec_poll", exec_id=shell)) == "one\ntwo\n"


async def test_giving_a_call_up_interrupts_its_run_and_keeps_the_shell(
    bench: devbench_core.Bench, call: Call, shell: str
):
    arguments: dict[str, Any] = {"shell_id": shell, "script": "echo begun; sleep 300"}
    calling = asyncio.create_task(call_tool(bench, "shell_run", arguments))
    await call("shell_read", shell_id=shell, until=["begun"], wait_s=20)
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling
    rest = await call("shell_read", shell_id=shell, until=["never said"], wait_s=20)
    assert (rest["run"]["reason"], rest["run"]["shell_kept"]) == ("cancelled", True)


async def test_input_for_nobody_is_refused(call: Call, shell: str):
    with pytest.raises(ShellIdle):
        await call("shell_input", shell_id=shell, text="x\n")
    with pytest.raises(ValidationFailed):
        await call("shell_input", shell_id=shell)
    with pytest.raises(ValidationFailed):
        await call("shell_read", shell_id=shell, until=[""])
