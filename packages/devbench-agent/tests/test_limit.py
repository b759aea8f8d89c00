"""LIMIT: how many commands may run when a host starts another, whoever started them."""

import struct

from agent_process import Agent
from agent_wire import LIMIT, Channel

BUSY = 7


def limit(host: Channel, running: int) -> None:
    host.send(LIMIT, 0, struct.pack(">I", running))


def test_a_hosts_limit_counts_the_commands_of_all_hosts(agent: Agent, host: Channel):
    with agent.host() as other:
        limit(host, 2)
        limit(other, 2)
        host.start(1, ["sleep", "100"])
        other.start(2, ["sleep", "100"])
        assert host.start(3, ["true"]).refused == BUSY
        assert other.start(4, ["true"]).refused == BUSY
        assert set(host.list()) == {1, 2}
        other.cancel(2)
        other.finish(other.runs[2])
        assert host.finish(host.start(5, ["true"])).exit_code == 0


def test_what_has_ended_is_not_counted_before_it_is_acknowledged(host: Channel):
    limit(host, 1)
    host.finish(host.start(1, ["true"]), ack=False)
    host.finish(host.start(2, ["true"]), ack=False)
    assert set(host.list()) == {1, 2}


def test_a_limit_is_that_of_its_channel_and_can_be_lifted(agent: Agent, host: Channel):
    limit(host, 1)
    host.start(1, ["sleep", "100"])
    assert host.start(2, ["true"]).refused == BUSY
    with agent.host() as other:
        assert other.finish(other.start(3, ["true"])).exit_code == 0
    limit(host, 0)
    assert host.finish(host.start(4, ["true"])).exit_code == 0


def test_a_refused_command_leaves_nothing_behind(host: Channel):
    limit(host, 1)
    host.start(1, ["sleep", "100"])
    assert host.start(2, ["true"]).refused == BUSY
    assert set(host.list()) == {1}
    host.cancel(1)
    host.finish(host.runs[1])
    assert host.finish(host.start(2, ["true"])).exit_code == 0
