from __future__ import annotations

import os
import struct
import time

import pytest

from agent_process import TOKEN, Agent, StartAgent, wait_until
from agent_wire import AUTH, ERROR, GOODBYE, PING, PONG, Channel, Closed, frame, proof, text

VERSION, UNAUTHORISED, BUSY = 2, 3, 4
UNEXPECTED, FORBIDDEN, CLAIMED, UNCLAIMED = 7, 9, 10, 11
TAKEN_OVER = 2


def test_the_first_host_claims_and_gets_proof_that_the_agent_has_the_token(agent: Agent):
    with agent.connect() as channel:
        assert not channel.claimed
        channel.auth(TOKEN, claim=True)
        assert (channel.running, channel.ended, channel.highest) == (0, 0, 0)


def test_later_hosts_prove_the_token_without_sending_it(agent: Agent):
    with agent.host() as first, agent.connect() as second:
        assert second.claimed
        assert second.boot_id == first.boot_id
        assert second.agent_nonce != first.agent_nonce
        second.auth(TOKEN, claim=False)


@pytest.mark.parametrize("wrong", [bytes(32), TOKEN[::-1], TOKEN[:31] + b"!"])
def test_a_wrong_token_is_refused(agent: Agent, host: Channel, wrong: bytes):
    with agent.connect() as channel, pytest.raises(Closed) as closed:
        channel.auth(wrong, claim=False)
    assert (closed.value.type, closed.value.code) == (ERROR, UNAUTHORISED)


def test_a_proof_seen_on_one_channel_is_worth_nothing_on_another(agent: Agent, host: Channel):
    with agent.connect() as first, agent.connect() as second:
        nonce = os.urandom(32)
        secret = proof(TOKEN, b"devbench host v1", first.agent_nonce, nonce)
        payload = struct.pack(">HH", 1, 0) + text("x") + bytes(4) + nonce + b"\2" + secret
        second.send(AUTH, 0, payload)
        assert second.receive().fields.u16() == UNAUTHORISED


def test_a_second_claim_is_refused(agent: Agent, host: Channel):
    with agent.connect() as channel, pytest.raises(Closed) as closed:
        channel.auth(bytes(32), claim=True)
    assert closed.value.code == CLAIMED


def test_a_proof_before_any_claim_is_refused(agent: Agent):
    with agent.connect() as channel, pytest.raises(Closed) as closed:
        channel.auth(bytes(32), claim=False)
    assert closed.value.code == UNCLAIMED


def test_another_major_version_is_refused_by_name(agent: Agent):
    with agent.connect() as channel, pytest.raises(Closed) as closed:
        channel.auth(TOKEN, claim=True, major=2)
    assert closed.value.code == VERSION


def test_commands_before_authentication_are_refused(agent: Agent):
    with agent.connect() as channel:
        channel.send(PING, 0, b"x")
        assert channel.receive().fields.u16() == UNEXPECTED


def test_a_host_that_takes_over_ends_the_others_and_not_their_commands(agent: Agent, host: Channel):
    run = host.start(1, ["sleep", "100"])
    with agent.host(takeover=True) as other:
        with pytest.raises(Closed) as closed:
            host.pump(lambda: False)
        assert (closed.value.type, closed.value.code) == (GOODBYE, TAKEN_OVER)
        assert (other.running, other.highest) == (1, 1)
        assert other.resume(1).resumed
        assert os.path.exists(f"/proc/{run.pid}")  # noqa: PTH110 (a process, not a file)


def test_hosts_work_side_by_side_without_takeover(agent: Agent, host: Channel):
    with agent.host() as other:
        assert bytes(other.run(2, ["echo", "b"]).stdout) == b"b\n"
        assert bytes(host.run(1, ["echo", "a"]).stdout) == b"a\n"


def test_silent_connections_do_not_keep_a_host_out(agent: Agent, host: Channel):
    silent = [agent.connect() for _ in range(20)]
    began = time.monotonic()
    with agent.host() as other:
        other.run(1, ["true"])
    assert time.monotonic() - began < 2
    for channel in silent:
        channel.close()


def test_the_ninth_authenticated_channel_is_told_that_the_agent_is_busy(agent: Agent):
    channels = [agent.host() for _ in range(8)]
    with pytest.raises(Closed) as closed:
        agent.host()
    assert closed.value.code == BUSY
    for channel in channels:
        channel.close()


@pytest.mark.slow
def test_a_connection_that_never_authenticates_is_closed_after_ten_seconds(agent: Agent):
    with agent.connect() as channel:
        assert channel.receive(15).fields.u16() == 5


def test_a_process_of_the_container_cannot_even_say_hello(agent: Agent, host: Channel):
    script = (
        "import socket,sys; s=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]);"
        "data=b''\nwhile True:\n d=s.recv(999)\n if not d: break\n data+=d\n"
        "sys.stdout.buffer.write(data)"
    )
    run = host.run(1, ["python3", "-c", script, str(agent.socket)])
    assert bytes(run.stdout) == frame(ERROR, 0, struct.pack(">H", FORBIDDEN) + text("forbidden"))


def test_a_detached_process_of_the_container_cannot_either(agent: Agent, host: Channel):
    out = agent.workspace / "out"
    script = (
        "import os,socket,sys,time\n"
        "if os.fork(): os._exit(0)\n"
        "os.setsid()\n"
        "if os.fork(): os._exit(0)\n"
        "time.sleep(0.2)\n"
        "s=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); d=s.recv(999)\n"
        "open(sys.argv[2]+'.new','wb').write(d); os.rename(sys.argv[2]+'.new',sys.argv[2])"
    )
    host.run(1, ["python3", "-c", script, str(agent.socket), str(out)])
    wait_until(out.exists, "the detached process's answer")
    assert out.read_bytes()[4] == ERROR


def test_a_ping_comes_back(host: Channel):
    host.send(PING, 7, b"x" * 64)
    got = host.receive()
    assert (got.type, got.id, got.payload) == (PONG, 7, b"x" * 64)


def test_a_removed_socket_is_made_anew(start_agent: StartAgent):
    agent = start_agent()
    with agent.host() as host:
        agent.socket.unlink()
        wait_until(agent.socket.exists, "a new socket")
        with agent.host() as other:
            other.run(1, ["true"])
        host.run(2, ["true"])


def test_a_socket_whose_place_was_taken_by_folders_is_made_anew(start_agent: StartAgent):
    agent = start_agent()
    with agent.host() as host:
        agent.socket.unlink()
        for place in (agent.socket, agent.socket.with_name(f"{agent.socket.name}.new")):
            (place / "full").mkdir(parents=True)
        wait_until(agent.socket.is_socket, "a new socket")
        with agent.host() as other:
            other.run(1, ["true"])
        host.run(2, ["true"])
