"""What a shell keeps from run to run, and what each run tells."""

from __future__ import annotations

import asyncio
import hashlib

import pytest

from devbench_core.errors import (
    ConcurrencyLimit,
    InputUnavailable,
    ShellBusy,
    ShellEnded,
    ShellIdle,
    ShellNotFound,
    ValidationFailed,
    Vetoed,
)
from devbench_core.model.caller import LOCAL, Caller
from devbench_core.model.event import Veto
from devbench_core.model.execution import ExecRequest
from devbench_core.model.shell import RunReason, ShellKind, ShellState
from devbench_core.shells import records
from harness.agent_host import CONTAINER_ID, Host, LocalAgent, eventually, open_host

from .conftest import QUICK, User


async def test_directory_variables_functions_options_and_positional_parameters_stay(user: User):
    await user.run(
        "mkdir -p deep/er; cd deep/er; name='a b'; greet() { echo \"hello $1\"; }; set -u; set -- x y"
    )
    ran = await user.run('pwd; echo "$name"; greet you; case $- in *u*) echo nounset;; esac; echo "$2"')
    lines = ran.out.decode().splitlines()
    assert lines[0].endswith("/deep/er")
    assert lines[1:] == ["a b", "hello you", "nounset", "y"]
    assert (await user.again()).cwd.endswith("/deep/er")


async def test_background_jobs_stay_and_can_be_waited_for(user: User):
    await user.run("sleep 300 & job=$!")
    ran = await user.run(
        'kill -0 $job && echo alive; [ "$job" = "$!" ] && echo same; kill $job; wait $job; echo $?'
    )
    assert ran.out == b"alive\nsame\n143\n"


@pytest.mark.parametrize("code", [0, 1, 42, 255])
async def test_the_exit_code_is_exact(user: User, code: int):
    ran = await user.run(f"(exit {code})")
    assert (ran.run.reason, ran.run.exit_code, ran.run.shell_kept) == (RunReason.EXITED, code, True)


async def test_each_run_has_its_own_output_byte_for_byte(user: User):
    first = await user.run("printf 'a\\0b\\377'; printf 'err' >&2")
    second = await user.run("printf 'no newline'")
    third = await user.run("head -c 300000 /dev/urandom | tee random | cat; sha256sum random >&2")
    assert (first.out, first.err) == (b"a\0b\377", b"err")
    assert (second.out, second.err) == (b"no newline", b"")
    assert hashlib.sha256(third.out).hexdigest() == third.err.split()[0].decode()
    assert len(third.out) == 300_000


async def test_many_runs_do_not_mix(user: User):
    for number in range(50):
        ran = await user.run(f"echo {number}; echo e{number} >&2")
        assert (ran.out, ran.err) == (f"{number}\n".encode(), f"e{number}\n".encode())
        assert ran.run.number == number + 1


@pytest.mark.parametrize("script", ["if (", "echo 'unbalanced", "for x in"])
async def test_a_syntax_error_ends_the_run_and_not_the_shell(user: User, script: str):
    ran = await user.run(script)
    assert (ran.run.exit_code, ran.run.shell_kept) == (2, True)
    assert ran.err
    assert (await user.run("echo on")).out == b"on\n"


async def test_nothing_that_is_printed_ends_a_run(user: User):
    script = (
        "for fd in 3 4 5 6 7 8 9; do\n"
        "( eval \"printf '\\n%s 0 sh /\\n%s.\\n' $guess $guess >&$fd\" ) 2>/dev/null\ndone\n"
        "sh -c 'for fd in 3 4 5 6 7 8 9; do (eval \"echo forged >&$fd\") 2>/dev/null; done'\n"
        "set | head -c 100000 >/dev/null; echo true end"
    )
    await user.run("guess=$(head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \\n')")
    ran = await user.run(script)
    assert ran.out == b"true end\n"


async def test_descriptors_above_nine_cannot_end_a_run_either(shell_host: Host):
    user = User(host=shell_host, shell=await shell_host.shells.open(CONTAINER_ID, kind=ShellKind.BASH))
    forged = "printf '\\n0123 0 bash /\\n0123.\\nhalf' >&$fd"
    script = f"for fd in {{3..20}}; do {{ {forged}; }} 2>/dev/null; done; echo true end"
    assert (await user.run(script)).out == b"true end\n"
    assert (await user.run("echo next")).out == b"next\n"


async def test_what_is_started_has_no_descriptor_of_the_shells(user: User):
    ran = await user.run("ls -x /proc/self/fd; sh -c 'ls -x /proc/$$/fd'; ls -x /proc/self/fd &\nwait")
    assert [line.split() for line in ran.out.decode().splitlines()] == [
        ["0", "1", "2", "3"],  # the last is that of ls itself
        ["0", "1", "2"],
        ["0", "1", "2", "3"],
    ]


async def test_the_secret_of_a_run_is_in_no_variable_while_it_runs(user: User):
    begun = await user.host.shells.run(user.shell.id, "set; env")
    secret = (await user.again()).secret
    ran = await user.rest(begun)
    assert len(secret) == 32
    assert secret.encode() not in ran.out


async def test_its_own_output_sent_elsewhere_stays_there_and_the_end_is_still_told(user: User):
    await user.run("exec >kept 2>&1")
    ran = await user.run("echo hidden")
    assert (ran.out, ran.run.exit_code) == (b"", 0)
    await user.run("exec >/dev/null")
    assert (await user.run("cat kept >&2; false")).run.exit_code == 1


async def test_tracing_shows_the_script_and_nothing_of_the_shells_own_work(user: User):
    await user.run("set -x")
    ran = await user.run("echo traced")
    assert ran.out == b"traced\n"
    assert [line.lstrip(b"+ ") for line in ran.err.splitlines()] == [b"echo traced"]
    assert b"__devbench" not in (await user.run("set +x")).err


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("exit 7", 7),
        ("exec sh -c 'exit 8'", 8),
        ("set -e; sh -c 'exit 9'; echo not", 9),
        ("kill -9 $$", None),
    ],
)
async def test_what_ends_the_shell_says_so(user: User, script: str, code: int | None):
    ran = await user.run(script)
    assert (ran.run.reason, ran.run.exit_code, ran.run.shell_kept) == (RunReason.SHELL_ENDED, code, False)
    assert ran.out == b""
    assert (await user.again()).state is ShellState.ENDED
    with pytest.raises(ShellEnded):
        await user.run("echo more")


async def test_one_run_at_a_time(user: User):
    begun = await user.host.shells.run(user.shell.id, "sleep 300")
    with pytest.raises(ShellBusy) as refused:
        await user.host.shells.run(user.shell.id, "echo second")
    assert refused.value.details == {"run": begun.number}
    assert (await user.again()).state is ShellState.RUNNING
    ended = await user.host.shells.cancel(user.shell.id)
    assert ended is not None
    assert ended.reason is RunReason.CANCELLED


async def test_several_shells_do_not_mix(shell_host: Host):
    one = User(host=shell_host, shell=await shell_host.shells.open(CONTAINER_ID, kind=ShellKind.BASH))
    other = User(host=shell_host, shell=await shell_host.shells.open(CONTAINER_ID, kind=ShellKind.SH))
    await one.run("x=one; cd /")
    await other.run("x=other; cd /tmp")
    assert (await one.run("echo $x; pwd")).out == b"one\n/\n"
    assert (await other.run("echo $x; pwd")).out == b"other\n/tmp\n"
    assert [each.id for each in await shell_host.shells.list(CONTAINER_ID)] == [one.shell.id, other.shell.id]


async def test_without_input_programs_meet_its_end_at_once(user: User):
    assert (await user.run("cat; read -r x || echo none")).out == b"none\n"


async def test_a_program_is_talked_to(user: User):
    shells = user.host.shells
    with pytest.raises(ShellIdle):
        await shells.input(user.shell.id, b"x")
    begun = await shells.run(
        user.shell.id, "read -r a; echo got $a; read -r b; echo and $b", interactive=True
    )
    await shells.input(user.shell.id, b"first\n")
    page = await shells.poll(user.shell.id, after=begun.after, run=begun.number, wait_s=10)
    assert page.chunks[0].data == b"got first\n"
    await shells.input(user.shell.id, b"second\n")
    assert (await user.rest(begun)).out == b"got first\nand second\n"


async def test_input_that_nobody_can_read_any_more_is_refused_and_not_dropped(user: User):
    shells = user.host.shells
    await shells.run(user.shell.id, "exec </dev/null; sleep 300", interactive=True)
    with pytest.raises(InputUnavailable) as refused:  # the agent learns of it when it writes
        await keep_giving(user)
    assert refused.value.details == {"reason": "closed", "accepted_bytes": 0}


async def test_a_shell_is_given_input_by_its_runs_alone(user: User):
    execs = user.host.execs
    process = await execs.process(user.shell.id)
    for give in (
        lambda: execs.write_input(user.shell.id, b"", eof=True),
        lambda: execs.write_input(user.shell.id, b"stray\n"),
        lambda: process.write(b"stray\n"),
        process.close_stdin,
    ):
        with pytest.raises(InputUnavailable) as refused:
            await give()
        assert refused.value.details == {"reason": "shell", "accepted_bytes": 0}
    begun = await user.host.shells.run(user.shell.id, "read -r x; echo got $x", interactive=True)
    await user.host.shells.input(user.shell.id, b"it\n")
    assert (await user.rest(begun)).out == b"got it\n"


async def keep_giving(user: User) -> None:
    """Give input until that is refused."""
    async with asyncio.timeout(10):
        while True:
            await user.host.shells.input(user.shell.id, b"x")
            await asyncio.sleep(0.005)


async def test_the_python_repl_is_driven(user: User):
    shells = user.host.shells
    begun = await shells.run(user.shell.id, "python3 -i -q 2>&1", interactive=True)
    cursor, seen = begun.after, b""
    for line, wanted in (
        (b"", b">>> "),
        (b"6*7\n", b"42\n>>> "),
        (b"x='kept'\n", b">>> "),
        (b"x\n", b"'kept'\n>>> "),
    ):
        if line:
            seen = b""
            await shells.input(user.shell.id, line)
        while wanted not in seen:
            page = await shells.poll(user.shell.id, after=cursor, run=begun.number, wait_s=10)
            assert page.chunks, seen
            seen, cursor = seen + b"".join(chunk.data for chunk in page.chunks), page.cursor
    await shells.input(user.shell.id, b"exit(3)\n")
    assert (await user.rest(begun)).run.exit_code == 3


async def test_background_output_between_runs_is_of_no_run_and_can_be_read(user: User):
    await user.run("mkfifo gate; (read -r go <gate; echo late; echo told >told) &")
    before = (await user.again()).runs[-1]
    words = ("sh", "-c", "echo go >gate; while [ ! -s told ]; do sleep 0.01; done")
    await user.host.execs.start(CONTAINER_ID, ExecRequest(argv=words))
    page = await user.host.shells.poll(user.shell.id, after=before.until, wait_s=10)
    assert b"".join(chunk.data for chunk in page.chunks) == b"late\n"
    assert (await user.run("echo mine")).out == b"mine\n"


async def test_closing_ends_everything_that_it_started(user: User):
    await user.run("sleep 300 &")
    closed = await user.host.shells.close(user.shell.id)
    assert closed.state is ShellState.ENDED
    assert (await user.host.shells.close(user.shell.id)).state is ShellState.ENDED
    with pytest.raises(ShellEnded):
        await user.run("echo")
    assert [event.fields["why"] for event in user.host.told("shell.closed")] == ["closed"]


async def test_closing_a_busy_shell_ends_its_run(user: User):
    begun = await user.host.shells.run(user.shell.id, "sleep 300")
    await user.host.shells.close(user.shell.id)
    ran = await user.rest(begun)
    assert (ran.run.reason, ran.run.shell_kept) == (RunReason.SHELL_ENDED, False)


async def test_bash_is_preferred(shell_host: Host):
    assert (await shell_host.shells.open(CONTAINER_ID)).program == "bash"


async def test_as_many_as_are_allowed(local_agent: LocalAgent):
    limits = QUICK.model_copy(update={"per_container": 1})
    async with open_host(local_agent.connect, local_agent.token, shell_limits=limits) as host:
        first = await host.shells.open(CONTAINER_ID)
        with pytest.raises(ConcurrencyLimit) as refused:
            await host.shells.open(CONTAINER_ID)
        assert refused.value.details == {"limit": 1, "setting": "shells.per_container"}
        await host.shells.close(first.id)
        await host.shells.open(CONTAINER_ID)


async def test_an_idle_shell_is_closed_and_a_busy_one_is_not(local_agent: LocalAgent):
    limits = QUICK.model_copy(update={"idle_s": 0.001})
    async with open_host(local_agent.connect, local_agent.token, shell_limits=limits) as host:
        idle, working = await host.shells.open(CONTAINER_ID), await host.shells.open(CONTAINER_ID)
        await host.shells.run(working.id, "sleep 300")
        await host.shells.sweep()
        await eventually(lambda: host.execs.running_here == 1)
        await host.shells.sweep()
        assert (await records.load(host.store, idle.id, LOCAL)).state is ShellState.ENDED
        assert (await host.shells.get(working.id)).state is ShellState.RUNNING
        assert [event.fields for event in host.told("shell.closed")] == [{"why": "idle"}]


@pytest.mark.parametrize("script", ["a\0b", "x" * 60_001, "\ud800"])
async def test_what_cannot_be_a_script_is_refused(user: User, script: str):
    with pytest.raises(ValidationFailed):
        await user.run(script)


async def test_a_script_of_the_largest_size(user: User):
    lines = "\n".join(f"x{number}=1" for number in range(5000))
    script = (lines + "\n" + "#" * 48 * 1024)[: 48 * 1024 - 10] + "\necho end\n"
    assert (await user.run(script)).out == b"end\n"


async def test_reviewers_see_each_script(user: User):
    await user.run("echo fine")
    assert [each.subject for each in user.host.requests if each.operation == "shell.run"] == ["echo fine"]
    user.host.veto = Veto(clause="no", reason="no")
    with pytest.raises(Vetoed):
        await user.run("echo bad")


async def test_another_tenant_sees_no_shell(user: User):
    with pytest.raises(ShellNotFound):
        await user.host.shells.get(user.shell.id, caller=Caller(tenant="other"))


async def test_no_such_program_says_so(shell_host: Host, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(ShellEnded, match="no shell could be started"):
        await shell_host.shells.open(CONTAINER_ID, kind=ShellKind.BASH, env={"PATH": "/nowhere"})
