"""Who may talk to whom."""

import asyncio
import secrets

import pytest

from devbench_core.channel.channel import AgentChannel
from devbench_core.channel.codes import Fault, Method, Source
from devbench_core.channel.exec_messages import Output
from devbench_core.channel.handshake import agent_proof
from devbench_core.channel.messages import Auth, Error
from devbench_core.channel.settings import ChannelLimits
from devbench_core.errors import (
    AgentMisbehaved,
    AgentSilent,
    AgentUnavailable,
    DevbenchError,
    Unauthorised,
    ValidationFailed,
)
from harness.agent_host import LocalAgent
from harness.scripted_agent import TOKEN, Script, ScriptedAgent, duplex

WRONG = b"w" * 32


async def open_once(agent: LocalAgent, token: bytes, *, claim: bool = False, takeover: bool = False) -> None:
    stream = await agent.connect()
    async with AgentChannel.open(
        stream, token=token, claim=claim, instance="i_x", takeover=takeover
    ) as channel:
        assert await channel.list_execs() == ()


async def against(script: Script, *, claim: bool = False, limits: ChannelLimits | None = None) -> None:
    host, agent = duplex()
    playing = asyncio.create_task(asyncio.wait_for(script(ScriptedAgent(agent)), 5))
    try:
        async with AgentChannel.open(host, token=TOKEN, claim=claim, instance="i_x", limits=limits):
            pass
    finally:
        await asyncio.gather(playing, return_exceptions=True)


async def test_the_first_host_claims_and_the_next_proves(local_agent: LocalAgent):
    await open_once(local_agent, local_agent.token, claim=True)
    await open_once(local_agent, local_agent.token, claim=True)
    await open_once(local_agent, local_agent.token)


async def test_a_host_without_the_token_is_refused(local_agent: LocalAgent):
    await open_once(local_agent, local_agent.token, claim=True)
    with pytest.raises(Unauthorised):
        await open_once(local_agent, WRONG)
    with pytest.raises(Unauthorised):
        await open_once(local_agent, WRONG, claim=True)
    await open_once(local_agent, local_agent.token)


async def test_an_agent_without_a_token_is_not_given_one_by_a_host_that_may_not_claim(
    local_agent: LocalAgent,
):
    with pytest.raises(Unauthorised, match="no token yet"):
        await open_once(local_agent, local_agent.token)
    await open_once(local_agent, local_agent.token, claim=True)


async def test_a_takeover_closes_the_other_channels(local_agent: LocalAgent):
    stream = await local_agent.connect()
    async with AgentChannel.open(stream, token=local_agent.token, claim=True, instance="i_a") as first:
        await open_once(local_agent, local_agent.token, takeover=True)
        error = await asyncio.wait_for(first.wait_closed(), 5)
        assert "taken over" in error.message
        with pytest.raises(AgentUnavailable):
            await first.list_execs()


async def test_a_token_of_another_length_is_refused():
    host, _ = duplex()
    with pytest.raises(ValidationFailed):
        async with AgentChannel.open(host, token=b"short", claim=False, instance="i_x"):
            pass
    assert host.closed


async def test_the_token_never_travels_once_it_is_set():
    seen: list[Auth] = []

    async def script(agent: ScriptedAgent) -> None:
        seen.append(await agent.shake_hands())

    await against(script, claim=True)
    assert seen[0].method is Method.PROVE
    assert TOKEN not in (seen[0].secret, seen[0].nonce)
    assert TOKEN.hex() not in repr(seen[0])


async def test_an_impostor_that_cannot_prove_itself_is_noticed():
    async def script(agent: ScriptedAgent) -> None:
        nonce = secrets.token_bytes(32)
        await agent.send(agent.hello(nonce))
        auth = await agent.receive_a(Auth)
        await agent.send(agent.welcome(agent_proof(WRONG, auth.nonce, nonce)))

    with pytest.raises(Unauthorised, match="does not know the token"):
        await against(script)


async def hello_with_wrong_magic(agent: ScriptedAgent) -> None:
    await agent.send(agent.hello(b"n" * 32, magic=b"SSH-"))


async def hello_of_another_major_version(agent: ScriptedAgent) -> None:
    await agent.send(agent.hello(b"n" * 32, major=2))


async def output_before_the_handshake(agent: ScriptedAgent) -> None:
    await agent.send(Output(id=1, offset=0, stream=Source.STDOUT, data=b"x"))


async def a_frame_that_is_too_large_before_authentication(agent: ScriptedAgent) -> None:
    await agent.send(Error(code=Fault.BUSY, message="x" * 5000))


async def nonsense(agent: ScriptedAgent) -> None:
    await agent.stream.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")


@pytest.mark.parametrize(
    "script",
    [
        hello_with_wrong_magic,
        hello_of_another_major_version,
        output_before_the_handshake,
        a_frame_that_is_too_large_before_authentication,
        nonsense,
    ],
)
async def test_what_does_not_speak_the_protocol_is_refused(script: Script):
    with pytest.raises(AgentMisbehaved):
        await against(script)


async def test_an_agent_of_another_major_version_is_named_with_both_versions_and_what_to_do():
    with pytest.raises(
        AgentMisbehaved, match=r"speaks version 2\.0 of the protocol, this host 1\.x"
    ) as caught:
        await against(hello_of_another_major_version)
    assert "spawn the container anew" in caught.value.hint


@pytest.mark.parametrize("minor", [0, 7])
async def test_an_agent_of_another_minor_version_is_spoken_to_and_unknown_features_mean_nothing(minor: int):
    async def script(agent: ScriptedAgent) -> None:
        nonce = secrets.token_bytes(32)
        await agent.send(agent.hello(nonce, minor=minor))
        auth = await agent.receive_a(Auth)
        await agent.send(agent.welcome(agent_proof(TOKEN, auth.nonce, nonce)))

    host, agent = duplex()
    playing = asyncio.create_task(script(ScriptedAgent(agent)))
    async with AgentChannel.open(host, token=TOKEN, claim=False, instance="i_x") as channel:
        assert channel.agent.version == (1, minor)
        assert "unheard-of" in channel.agent.features
    await playing


@pytest.mark.parametrize("fault", list(Fault))
async def test_an_agents_error_is_passed_on(fault: Fault):
    async def script(agent: ScriptedAgent) -> None:
        await agent.send(Error(code=fault, message="because\x1b[31m"))

    with pytest.raises(DevbenchError, match=fault.name.lower().replace("_", " ")) as caught:
        await against(script)
    assert "\x1b" not in caught.value.message
    assert isinstance(caught.value, Unauthorised) == (
        fault in {Fault.UNAUTHORISED, Fault.FORBIDDEN, Fault.ALREADY_CLAIMED, Fault.NOT_CLAIMED}
    )


async def test_a_silent_agent_is_given_up():
    async def script(agent: ScriptedAgent) -> None:
        assert agent

    with pytest.raises(AgentSilent, match="did not answer the handshake"):
        await against(script, limits=ChannelLimits(connect_timeout_s=0.05))


async def test_a_stream_that_ends_in_the_handshake_is_an_unreachable_agent():
    async def script(agent: ScriptedAgent) -> None:
        await agent.stream.close()

    with pytest.raises(AgentUnavailable, match="during the handshake"):
        await against(script)
