from __future__ import annotations

import hashlib
import os
import signal
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from agent_process import DEADLINE_S, Agent, StartAgent, wait_until
from agent_wire import ACK, DROP_WHEN_DETACHED, INHERIT_ENV, RESUME, WINDOW, Channel, Closed

MIB = 1 << 20
NUMBERS = "i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done; exit 9"


def numbers() -> bytes:
    return b"".join(b"line %d\n" % i for i in range(20000))


def test_a_second_host_goes_on_where_the_first_was_killed(agent: Agent, tmp_path: Path):
    log = tmp_path / "got"
    # The first host is a process of its own that writes what it safely has, and is killed in the middle.
    script = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path\n"
        "from agent_wire import connect\n"
        "c = connect(Path(sys.argv[2])); c.hello(); c.auth(bytes(range(32)), claim=True)\n"
        "out = open(sys.argv[3], 'wb', buffering=0)\n"
        "r = c.start(1, ['sh', '-c', sys.argv[4]]); n = 0\n"
        "while True:\n"
        " c.pump(lambda: len(r.stdout) > n); out.write(r.stdout[n:]); n = len(r.stdout)\n"
    )
    folder = str(Path(__file__).parent)
    first = subprocess.Popen([sys.executable, "-c", script, folder, str(agent.socket), str(log), NUMBERS])
    wait_until(lambda: log.exists() and log.stat().st_size > 20_000, "some output")
    first.send_signal(signal.SIGKILL)
    first.wait(DEADLINE_S)
    got = log.read_bytes()
    with agent.host() as second:
        before = second.list()[1]
        assert before[2] <= before[3]
        # It acknowledged each chunk before writing it, so at most the last chunk is not in the file.
        run = second.resume(1, offset=before[2])
        ending = second.finish(run)
    assert ending.exit_code == 9
    assert ending.output_end == len(numbers())
    assert numbers()[before[2] :] == bytes(run.stdout)
    assert numbers()[: len(got)] == got


def test_what_is_not_acknowledged_is_sent_again_and_what_is_is_not(agent: Agent):
    with agent.host(auto_ack=False) as first:
        run = first.start(1, ["sh", "-c", "printf abcdef; sleep 300"])
        first.pump(lambda: len(run.stdout) == 6)
        first.send(ACK, 1, struct.pack(">Q", 2))
        first.list()
    with agent.host() as second:
        run = second.resume(1, offset=0)
        second.pump(lambda: bytes(run.stdout) == b"cdef")
        assert run.gaps == [(0, 2)]
        second.cancel(1)
        second.finish(run)


def test_resume_on_the_same_channel_rewinds(host: Channel):
    host.auto_ack = False
    run = host.start(1, ["sh", "-c", "printf abcdef; exit 3"])
    host.finish(run, ack=False)
    again = host.resume(1, offset=4)
    assert host.finish(again).exit_code == 3
    assert bytes(again.stdout) == b"ef"


def test_the_former_owner_is_told(agent: Agent, host: Channel):
    run = host.start(1, ["sleep", "300"])
    with agent.host() as other:
        other.resume(1)
        host.pump(lambda: run.detached)
        host.stdin(run, 0, b"")
        other.cancel(1)
        other.finish(other.runs[1])


def test_an_offset_beyond_the_output_is_refused(host: Channel):
    host.start(1, ["sleep", "300"])
    host.send(RESUME, 1, struct.pack(">QQ", 1, 0))
    run = host.runs[1]
    host.pump(lambda: run.refused)
    assert run.refused == 4


def test_nothing_is_sent_beyond_the_window(host: Channel):
    run = host.start(1, ["sh", "-c", "printf 0123456789"], window=4)
    host.pump(lambda: run.next == 4)
    with pytest.raises(TimeoutError):
        host.pump(lambda: run.next > 4 or run.ending, within_s=0.2)
    host.send(WINDOW, 1, struct.pack(">Q", 10))
    assert host.finish(run).output_end == 10


def test_a_host_that_does_not_acknowledge_stops_the_command_not_the_memory(agent: Agent):
    with agent.host(auto_ack=False) as host:
        run = host.start(1, ["sh", "-c", "head -c 50000000 /dev/zero"])
        host.pump(lambda: run.next == MIB)
        with pytest.raises(TimeoutError):
            host.pump(lambda: run.next > MIB, within_s=0.3)
        assert agent.rss_bytes() < 40 * MIB
        host.auto_ack = True
        host.send(ACK, 1, struct.pack(">Q", run.next))
        host.finish(run)
        assert len(run.stdout) == 50_000_000


def test_a_host_that_does_not_read_stops_the_command_not_the_memory(agent: Agent, instrumented: bool):
    with agent.host() as host:
        run = host.start(1, ["sh", "-c", "head -c 50000000 /dev/zero"])
        with agent.host() as other:
            wait_until(lambda: other.list()[1][3] >= MIB, "a full spool")
            other.run(2, ["true"])
        assert instrumented or agent.rss_bytes() < 8 * MIB
        host.finish(run)
        assert len(run.stdout) == 50_000_000


def test_a_detached_command_blocks_by_default_and_loses_nothing(agent: Agent):
    with agent.host() as first:
        first.start(1, ["sh", "-c", "head -c 3000000 /dev/zero | tr '\\0' x; exit 4"], window=0)
    with agent.host() as second:
        wait_until(lambda: second.list()[1][3] == MIB, "a full spool")
        run = second.resume(1)
        assert second.finish(run).exit_code == 4
        assert bytes(run.stdout) == b"x" * 3_000_000


def test_a_detached_command_may_drop_its_oldest_output_and_says_how_much(agent: Agent):
    with agent.host() as first:
        first.start(
            1, ["sh", "-c", NUMBERS], flags=INHERIT_ENV | DROP_WHEN_DETACHED, window=0, spool_bytes=65536
        )
    with agent.host() as second:
        wait_until(lambda: second.list()[1][0] == 2, "the end")
        run = second.resume(1)
        assert second.finish(run).exit_code == 9
    assert len(run.gaps) == 1
    start, end = run.gaps[0]
    assert start == 0
    assert bytes(run.stdout) == numbers()[end:]
    assert 0 < len(run.stdout) <= 65536


def test_many_small_writes_on_both_streams_stay_in_order(host: Channel):
    script = "import os\nfor i in range(3000):\n os.write(1,b'o%d '%i); os.write(2,b'e%d '%i)"
    run = host.run(1, ["python3", "-c", script])
    assert bytes(run.stdout) == b"".join(b"o%d " % i for i in range(3000))
    assert bytes(run.stderr) == b"".join(b"e%d " % i for i in range(3000))


def test_all_spools_together_are_bounded(start_agent: StartAgent, instrumented: bool):
    agent = start_agent("--spool-total", str(2 * MIB))
    with agent.host(auto_ack=False) as host:
        for handle in range(1, 21):
            host.start(handle, ["sh", "-c", "head -c 2000000 /dev/zero"], window=0)
        with agent.host() as other:
            wait_until(lambda: sum(e[3] for e in other.list().values()) >= 2 * MIB, "full spools")
            other.run(99, ["true"])
            kept = sum(e[3] - e[2] for e in other.list().values())
        assert kept <= 2 * MIB + 20 * 65536
        assert instrumented or agent.rss_bytes() < 8 * MIB
        host.auto_ack = True
        for handle in range(1, 21):
            host.send(WINDOW, handle, struct.pack(">Q", 1 << 60))
        for handle in range(1, 21):
            host.finish(host.runs[handle])
            assert len(host.runs[handle].stdout) == 2_000_000


def test_sixteen_loud_commands_share_one_channel(host: Channel, agent: Agent):
    pattern = os.urandom(65536)
    (agent.workspace / "noise").write_bytes(pattern * 32)
    for handle in range(1, 17):
        host.start(handle, ["cat", "noise"], wait=False)
    for handle in range(1, 17):
        host.finish(host.runs[handle])
        digest = hashlib.sha256(host.runs[handle].stdout).digest()
        assert digest == hashlib.sha256(pattern * 32).digest()


def test_acknowledging_what_was_not_sent_closes_the_channel(host: Channel):
    host.start(1, ["sleep", "300"])
    host.send(ACK, 1, struct.pack(">Q", 1))
    with pytest.raises(Closed):
        host.pump(lambda: False)


def test_a_command_that_blocked_on_its_host_goes_on_when_the_host_goes_if_it_may_drop(agent: Agent):
    with agent.host(auto_ack=False) as first:
        first.start(1, ["sh", "-c", NUMBERS], flags=INHERIT_ENV | DROP_WHEN_DETACHED, spool_bytes=65536)
        wait_until(lambda: first.list()[1][3] == 65536, "a full spool")
    with agent.host() as second:
        wait_until(lambda: second.list()[1][0] == 2, "the end")
