"""The end of a shell is told to observers once, whatever ended it and whoever noticed."""

from __future__ import annotations

import asyncio

import pytest

from devbench_core.errors import ShellEnded, Vetoed
from devbench_core.memory.store import MemoryStore
from devbench_core.model.container import ContainerEnding, EndReason
from devbench_core.model.event import Request, Veto
from devbench_core.model.shell import ShellKind
from harness.agent_host import CONTAINER_ID, Host, LocalAgent, eventually, open_host

from .conftest import QUICK, User


def whys(host: Host) -> list[object]:
    """Return why shells ended, as told."""
    return [event.fields["why"] for event in host.told("shell.closed")]


async def test_two_who_close_it_at_once(user: User):
    await user.host.shells.run(user.shell.id, "sleep 300")
    shells = user.host.shells
    await asyncio.gather(*[shells.close(user.shell.id) for _ in range(2)], shells.sweep())
    await asyncio.gather(*[shells.get(user.shell.id) for _ in range(2)])
    assert whys(user.host) == ["closed"]


async def test_two_who_close_an_idle_one_at_once(user: User):
    await asyncio.gather(*[user.host.shells.close(user.shell.id) for _ in range(2)])
    assert whys(user.host) == ["closed"]


@pytest.mark.parametrize("script", ["exit 3", "kill -9 $$"])
async def test_a_script_that_ends_it(user: User, script: str):
    await user.run(script)
    await asyncio.gather(*[user.again() for _ in range(3)])
    assert whys(user.host) == ["ended"]
    assert [event.name for event in user.host.events][-2:] == ["shell.ran", "shell.closed"]


async def test_a_signal_while_it_is_idle(user: User):
    await user.host.execs.signal(user.shell.id, "KILL")
    await eventually(lambda: user.host.execs.running_here == 0)
    await asyncio.gather(*[user.again() for _ in range(3)], user.host.shells.sweep())
    assert whys(user.host) == ["ended"]


async def test_the_end_of_its_container(user: User):
    ending = ContainerEnding(reason=EndReason.KILLED, at=user.shell.created_at, by="test")
    await user.host.execs.end_all(user.host.container, ending)
    await user.host.shells.sweep()
    await user.host.shells.sweep()
    assert whys(user.host) == ["ended"]


async def test_another_host_that_closes_it(local_agent: LocalAgent):
    store = MemoryStore()
    async with (
        open_host(local_agent.connect, local_agent.token, store=store, shell_limits=QUICK) as first,
        open_host(
            local_agent.connect,
            local_agent.token,
            claim=False,
            store=store,
            instance="i_second",
            shell_limits=QUICK,
        ) as second,
    ):
        shell = await first.shells.open(CONTAINER_ID)
        await second.shells.close(shell.id)
        await first.shells.get(shell.id)
        assert len(whys(first) + whys(second)) == 1


async def test_one_that_never_answered_was_not_opened_and_is_not_closed(shell_host: Host):
    with pytest.raises(ShellEnded):
        await shell_host.shells.open(CONTAINER_ID, kind=ShellKind.SH, env={"PATH": "/nowhere"})
    await shell_host.shells.sweep()
    assert shell_host.told("shell.opened") == []
    assert whys(shell_host) == []


async def test_a_close_that_a_reviewer_stops_at_the_command_is_not_why_it_ended(
    local_agent: LocalAgent, monkeypatch: pytest.MonkeyPatch
):
    def review(host: Host, request: Request) -> Veto | None:
        return Veto(clause="no", reason="no") if request.operation == "exec.cancel" else None

    monkeypatch.setattr(Host, "review", review)
    async with open_host(local_agent.connect, local_agent.token, shell_limits=QUICK) as host:
        user = User(host=host, shell=await host.shells.open(CONTAINER_ID))
        with pytest.raises(Vetoed):
            await host.shells.close(user.shell.id)
        await user.run("exit 0")
        assert whys(host) == ["ended"]
