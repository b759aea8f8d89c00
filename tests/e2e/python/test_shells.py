"""Persistent shells on every runtime: busybox and debian on Docker, this machine's programs in bubblewrap."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

import devbench_core
from devbench_core.containers import SpawnRequest
from devbench_core.model.execution import StreamName
from devbench_core.model.shell import RunReason, Shell, ShellRun, ShellState

WAIT_S = 30.0


@attrs.frozen(kw_only=True, eq=False)
class Lab:
    """A container with an open shell."""

    bench: devbench_core.Bench
    container: str
    shell: Shell

    async def run(self, script: str, *, timeout_s: float = 30.0) -> tuple[ShellRun, bytes, bytes]:
        """Run a script; return how it ended, and both outputs."""
        begun = await self.bench.shells.run(self.shell.id, script, timeout_s=timeout_s)
        return await self.rest(begun)

    async def rest(self, begun: ShellRun) -> tuple[ShellRun, bytes, bytes]:
        """Follow a run to its end."""
        got = {StreamName.STDOUT: b"", StreamName.STDERR: b""}
        cursor = begun.after
        while True:
            page = await self.bench.shells.poll(self.shell.id, after=cursor, run=begun.number, wait_s=WAIT_S)
            for chunk in page.chunks:
                got[chunk.stream] += chunk.data
            cursor = page.cursor
            if page.complete:
                assert page.run is not None
                return page.run, got[StreamName.STDOUT], got[StreamName.STDERR]
            assert page.chunks, "nothing came in time"


@pytest.fixture(params=["docker-busybox", "docker-debian", "podman-busybox", "bubblewrap"])
async def lab(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Lab, None]:
    """A shell in a fresh container of each kind."""
    runtime, _, image_name = request.param.partition("-")
    values: dict[str, Any] = {
        "runtime": runtime,
        "store": "sql",
        "state_dir": str(tmp_path / "state"),
        "cache_dir": str(tmp_path / "cache"),
        "images": {"default": "host"},
        "shells": {"interrupt_grace_s": 0.5},
    }
    if image_name:
        host: str = request.getfixturevalue(f"{runtime}_host")
        image: Callable[[str], str] = request.getfixturevalue(f"{runtime}_image")
        values["plugin"] = {runtime: {"host": host}}
        values["images"] = {"default": image(image_name), "pull_policy": "never"}
    async with devbench_core.open(values) as bench:
        container = (await bench.containers.spawn(SpawnRequest())).container.id
        shell = await bench.shells.open(container)
        assert shell.program == ("sh" if image_name == "busybox" else "bash")
        yield Lab(bench=bench, container=container, shell=shell)


async def test_a_shell_keeps_what_scripts_change(lab: Lab):
    await lab.run("mkdir -p d; cd d; x='a b'; f() { echo \"f $1\"; }; set -u; sleep 300 & job=$!")
    run, out, err = await lab.run(
        'pwd; echo "$x"; f 1; kill -0 $job && echo alive; kill $job; printf e >&2; (exit 7)'
    )
    assert (out, err) == (b"/workspace/d\na b\nf 1\nalive\n", b"e")
    assert (run.exit_code, run.shell_kept) == (7, True)
    assert (await lab.bench.shells.get(lab.shell.id)).cwd == "/workspace/d"


async def test_nothing_that_a_script_writes_anywhere_ends_its_run(lab: Lab):
    forged = "printf '\\n00000000000000000000000000000000 0 sh /\\n00000000000000000000000000000000.\\n'"
    numbers = "3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20"
    script = (
        f"{forged}\n"
        f'for fd in {numbers}; do (eval "{forged} >&$fd") 2>/dev/null; done\n'
        f'for fd in {numbers}; do sh -c "({forged} >/proc/$$/fd/$fd) 2>/dev/null"; done\n'
        "echo true end; (exit 9)"
    )
    run, out, _ = await lab.run(script)
    assert out.endswith(b"\ntrue end\n")
    assert (run.reason, run.exit_code) == (RunReason.EXITED, 9)
    assert (await lab.run("echo next"))[1] == b"next\n"


@pytest.mark.parametrize("script", ["sleep 300", "trap '' INT; sleep 300", "while :; do :; done"])
async def test_a_timeout_keeps_the_shell(lab: Lab, script: str):
    await lab.run("x=kept; sleep 300 & job=$!")
    run, _, _ = await lab.run(script, timeout_s=0.5)
    assert (run.reason, run.shell_kept) == (RunReason.TIMED_OUT, True)
    assert (await lab.run("echo $x; kill -0 $job && echo alive"))[1] == b"kept\nalive\n"


@pytest.mark.parametrize(("script", "code"), [("exit 5", 5), ("exec sh -c 'exit 6'", 6)])
async def test_a_script_that_ends_the_shell_says_so(lab: Lab, script: str, code: int):
    run, _, _ = await lab.run(script)
    assert (run.reason, run.exit_code, run.shell_kept) == (RunReason.SHELL_ENDED, code, False)
    assert (await lab.bench.shells.get(lab.shell.id)).state is ShellState.ENDED


async def test_two_shells_in_one_container_do_not_mix(lab: Lab):
    other = attrs.evolve(lab, shell=await lab.bench.shells.open(lab.container))
    await lab.run("x=1; cd /")
    await other.run("x=2; cd /tmp")
    assert (await lab.run("echo $x; pwd"))[1] == b"1\n/\n"
    assert (await other.run("echo $x; pwd"))[1] == b"2\n/tmp\n"


async def test_a_program_is_talked_to_through_its_input(lab: Lab):
    begun = await lab.bench.shells.run(lab.shell.id, "read -r a; echo got $a; cat", interactive=True)
    await lab.bench.shells.input(lab.shell.id, b"one\n")
    page = await lab.bench.shells.poll(lab.shell.id, after=begun.after, run=begun.number, wait_s=WAIT_S)
    assert page.chunks[0].data == b"got one\n"
    ended = await lab.bench.shells.cancel(lab.shell.id)
    assert ended is not None
    assert (ended.reason, ended.shell_kept) == (RunReason.CANCELLED, True)


async def test_the_sweep_of_containers_leaves_used_shells_and_notes_closed_ones(lab: Lab):
    await lab.bench.containers.sweep()
    assert (await lab.bench.shells.get(lab.shell.id)).state is ShellState.IDLE
    await lab.bench.shells.close(lab.shell.id)
    await lab.bench.containers.sweep()
    assert await lab.bench.shells.list(lab.container) == ()


async def test_the_end_of_a_container_ends_its_shells_and_their_runs(lab: Lab):
    begun = await lab.bench.shells.run(lab.shell.id, "sleep 300")
    await lab.bench.containers.kill(lab.container)
    run, _, _ = await lab.rest(begun)
    assert (run.reason, run.shell_kept) == (RunReason.SHELL_ENDED, False)
