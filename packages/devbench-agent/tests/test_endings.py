from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from agent_process import Agent, StartAgent, wait_until
from agent_wire import (
    CANCELLED,
    END_LEFTOVERS,
    ENDED_ACK,
    EXITED,
    GOODBYE,
    INHERIT_ENV,
    LOST,
    TIMED_OUT,
    Channel,
    Closed,
)

SHUTTING_DOWN = 3

# Each starts something that tries to stay: every process writes its number to stdout.
ESCAPES = {
    "grandchild": "sh -c 'echo $$; sleep 300' & echo $$; wait",
    "setsid": "setsid sh -c 'echo $$; sleep 300' & echo $$; wait",
    "double fork": (
        "(setsid sh -c 'echo $$; (sh -c \"echo \\$\\$; sleep 300\" &) ; sleep 300' &) ; echo $$; sleep 300"
    ),
    "ignored TERM": (
        "trap '' TERM HUP INT; sh -c 'trap \"\" TERM; echo $$; sleep 300; sleep 300' & "
        "echo $$; sleep 300; sleep 300"
    ),
    "stopped": "sh -c 'echo $$; kill -STOP $$; sleep 300' & echo $$; wait",
    "daemon with closed streams": (
        "echo $$; setsid sh -c 'exec >&- 2>&- <&-; trap \"\" TERM; sleep 300; sleep 300' & sleep 300"
    ),
}


def alive(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def beneath(pid: int) -> list[int]:
    """All living descendants but keepers, which wait for the next command."""
    parents: dict[int, int] = {}
    keepers: set[int] = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                name, _, rest = (entry / "stat").read_text().rpartition(")")
            except OSError:
                continue
            fields = rest.split()
            if fields[0] not in "ZX":
                parents[int(entry.name)] = int(fields[1])
                keepers |= {int(entry.name)} if name.endswith("(devbench-keeper") else set()
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return [one for one in found[1:] if one not in keepers]


@pytest.mark.parametrize("name", ESCAPES)
def test_a_timeout_ends_the_whole_tree(host: Channel, agent: Agent, name: str):
    ending = host.finish(host.start(1, ["sh", "-c", ESCAPES[name]], timeout_ms=400, grace_ms=100))
    assert (ending.reason, ending.leftovers) == (TIMED_OUT, 0)
    wait_until(lambda: beneath(agent.pid) == [], "an empty tree")


@pytest.mark.parametrize("name", ESCAPES)
def test_a_cancel_ends_the_whole_tree(host: Channel, agent: Agent, name: str):
    run = host.start(1, ["sh", "-c", ESCAPES[name]])
    host.pump(lambda: run.stdout)
    host.cancel(1, grace_ms=50)
    ending = host.finish(run)
    assert (ending.reason, ending.leftovers) == (CANCELLED, 0)
    for pid in map(int, run.stdout.split()):
        assert not alive(pid)
    wait_until(lambda: beneath(agent.pid) == [], "an empty tree")


def test_a_timeout_holds_without_any_host(agent: Agent):
    with agent.host() as first:
        run = first.start(1, ["sleep", "300"], timeout_ms=300)
        pid = run.pid
    wait_until(lambda: not alive(pid), "the timeout")
    with agent.host() as second:
        run = second.resume(1)
        assert second.finish(run).reason == TIMED_OUT


def test_the_grace_lets_a_command_end_by_itself(host: Channel):
    run = host.start(1, ["sh", "-c", "trap 'echo bye; exit 7' TERM; echo up; while :; do sleep 0.02; done"])
    host.pump(lambda: run.stdout)
    host.cancel(1, grace_ms=5000)
    ending = host.finish(run)
    assert (ending.reason, ending.exit_code) == (CANCELLED, 7)
    assert bytes(run.stdout) == b"up\nbye\n"


def test_a_second_cancel_shortens_the_grace(host: Channel):
    run = host.start(1, ["sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.02; done"])
    host.pump(lambda: run.stdout)
    began = time.monotonic()
    host.cancel(1, grace_ms=60_000)
    host.cancel(1, grace_ms=0)
    assert host.finish(run).signal == signal.SIGKILL
    assert time.monotonic() - began < 5


def test_a_command_that_ends_before_its_timeout_did_not_time_out(host: Channel):
    for handle in range(1, 31):
        run = host.start(handle, ["sh", "-c", "sleep 0.1"], timeout_ms=100 + handle * 2, grace_ms=2000)
        ending = host.finish(run)
        if ending.wall_us <= (100 + handle * 2) * 1000:
            assert (ending.reason, ending.exit_code) == (EXITED, 0)


def test_a_fork_storm_ends(host: Channel, agent: Agent):
    storm = (
        "import os,signal,sys\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('up',flush=True)\n"
        "import resource\n"
        "while True:\n"
        " try:\n  if len(os.listdir('/proc'))<700: os.fork()\n except OSError: pass\n"
    )
    run = host.start(1, ["python3", "-c", storm], grace_ms=0)
    host.pump(lambda: run.stdout)
    wait_until(lambda: len(beneath(agent.pid)) > 30, "a storm")
    host.cancel(1)
    assert host.finish(run, within_s=40).leftovers == 0
    assert beneath(agent.pid) == []


def test_background_processes_are_left_alone_and_counted(host: Channel, agent: Agent):
    run = host.start(1, ["sh", "-c", "sleep 300 & echo $!"])
    ending = host.finish(run, ack=False)
    assert (ending.reason, ending.exit_code, ending.leftovers) == (EXITED, 0, 1)
    pid = int(run.stdout)
    assert alive(pid)
    host.send(ENDED_ACK, 1)
    assert host.list()[1][0] == 3
    host.cancel(1)
    wait_until(lambda: not alive(pid), "the end of the leftovers")
    wait_until(lambda: host.list() == {}, "an empty list")


def test_a_background_process_may_go_on_writing_to_the_old_streams(host: Channel):
    script = (
        "(sleep 0.2; i=0; while [ $i -lt 3000 ]; do echo 0123456789012345678901234567890123456789; "
        "i=$((i+1)); done; echo ok >proof) &"
    )
    host.run(1, ["sh", "-c", script])
    run = host.start(2, ["sh", "-c", "until [ -s proof ]; do sleep 0.05; done; cat proof"])
    host.finish(run)
    assert bytes(run.stdout) == b"ok\n"


def test_leftovers_are_ended_when_asked(host: Channel, agent: Agent):
    run = host.start(
        1, ["sh", "-c", "setsid sleep 300 & echo $!"], flags=INHERIT_ENV | END_LEFTOVERS, grace_ms=50
    )
    ending = host.finish(run)
    assert (ending.reason, ending.exit_code, ending.leftovers) == (EXITED, 0, 0)
    assert beneath(agent.pid) == []


def test_a_killed_keeper_is_told_and_its_tree_ended(host: Channel, agent: Agent):
    other = host.start(2, ["sleep", "300"])
    leftover = host.start(3, ["sh", "-c", "sleep 300 & echo $!"])
    host.finish(leftover)
    run = host.start(1, ["sh", "-c", "setsid sleep 300 & sleep 300 & kill -9 $PPID; sleep 300"])
    ending = host.finish(run)
    assert (ending.reason, ending.exit_code) == (LOST, None)
    assert "keeper" in ending.message
    assert ending.user_us == ending.max_rss_bytes == ending.read_bytes == 2**64 - 1, "nobody counted"
    assert not alive(run.pid)
    assert alive(other.pid)
    assert alive(int(leftover.stdout))


def test_a_stopped_keeper_goes_on(host: Channel):
    run = host.start(1, ["sh", "-c", "kill -STOP $PPID; sleep 0.1; exit 5"])
    assert host.finish(run).exit_code == 5


def test_many_endings_wait_for_their_host(agent: Agent):
    with agent.host(auto_ack=False) as first:
        for handle in range(1, 101):
            first.finish(first.start(handle, ["sh", "-c", f"echo {handle}; exit {handle}"]), ack=False)
    with agent.host() as second:
        assert second.ended == 100
        for handle in range(1, 101):
            run = second.resume(handle)
            assert second.finish(run).exit_code == handle
            assert int(run.stdout) == handle
        assert second.list() == {}


def test_ended_and_unacknowledged_commands_are_bounded(host: Channel):
    for handle in range(1, 321):
        host.finish(host.start(handle, ["/bin/true"]), ack=False)
    assert host.start(321, ["/bin/true"]).refused == 3


def test_as_pid_1_the_agent_survives_every_signal_from_inside(start_agent: StartAgent):
    agent = start_agent(pid1=True)
    with agent.host() as host:
        script = "for s in $(seq 1 64); do kill -$s 1 2>/dev/null; done; sleep 0.1; echo alive"
        assert bytes(host.run(1, ["sh", "-c", script]).stdout) == b"alive\n"
        queue = "import signal,ctypes,os\nfor s in (15,2): os.kill(1,s)\nprint('sent')"
        assert bytes(host.run(2, ["python3", "-c", queue]).stdout) == b"sent\n"
        assert host.pid == 1
    with agent.host() as again:
        again.run(3, ["true"])


def test_as_pid_1_it_reaps_what_others_leave(start_agent: StartAgent):
    agent = start_agent(pid1=True)
    with agent.host() as host:
        host.run(2, ["sh", "-c", "for i in 1 2 3 4 5; do (setsid sh -c 'sleep 0.05' &) ; done"])
        wait_until(lambda: host.list() == {}, "the leftovers' end")
        count = "cat /proc/[0-9]*/stat 2>/dev/null | grep -c ') Z' ; true"
        assert bytes(host.run(3, ["sh", "-c", count]).stdout) == b"0\n"


def test_as_pid_1_nobody_inside_reads_its_memory(start_agent: StartAgent):
    agent = start_agent(pid1=True)
    with agent.host() as host:
        script = (
            "for f in environ maps mem fd/; do cat /proc/1/$f >/dev/null 2>&1 && echo open $f; done; "
            "ls /proc/1/fd >/dev/null 2>&1 && echo open fd; echo done"
        )
        drop = ["setpriv", "--reuid", "1000", "--clear-groups", "--bounding-set=-all", "--inh-caps=-all"]
        run = (
            host.run(1, [*drop, "sh", "-c", script])
            if os.geteuid() == 0
            else host.run(1, ["sh", "-c", script])
        )
        assert os.geteuid() != 0 or bytes(run.stdout) == b"done\n"


@pytest.mark.parametrize("pid1", [False, True])
def test_a_signal_from_outside_ends_everything_quickly(start_agent: StartAgent, pid1: bool):
    agent = start_agent(pid1=pid1)
    with agent.host() as host:
        pids = [
            host.start(handle, ["sh", "-c", "trap '' TERM; sleep 300; sleep 300"]).pid for handle in (1, 2)
        ]
        began = time.monotonic()
        os.kill(agent.pid, signal.SIGTERM)
        assert agent.process.wait(10) == 0
        assert time.monotonic() - began < 2
        assert pid1 or not any(map(alive, pids))


def test_a_command_that_ends_with_the_agent_was_not_cancelled(start_agent: StartAgent):
    agent = start_agent(pid1=True)
    with agent.host() as host:
        done = host.start(1, ["true"])
        host.pump(lambda: done.ending)
        cancelled = host.start(
            2, ["sh", "-c", "trap 'echo asked' TERM; echo up; while :; do sleep 0.02; done"]
        )
        host.pump(lambda: cancelled.stdout)
        host.cancel(2, grace_ms=60_000)
        host.pump(lambda: b"asked" in cancelled.stdout)
        talking = host.start(3, ["sh", "-c", "trap 'echo last; exit 7' TERM; echo up; sleep 300 & wait"])
        host.pump(lambda: talking.stdout)
        os.kill(agent.pid, signal.SIGTERM)
        with pytest.raises(Closed) as closed:
            host.pump(lambda: False)
    assert (closed.value.type, closed.value.code) == (GOODBYE, SHUTTING_DOWN)
    assert bytes(talking.stdout) == b"up\nlast\n"
    assert talking.ending is None
    assert cancelled.ending is not None
    assert cancelled.ending.reason == CANCELLED


def test_without_commands_the_end_takes_no_time(start_agent: StartAgent):
    agent = start_agent(pid1=True)
    began = time.monotonic()
    os.kill(agent.pid, signal.SIGTERM)
    assert agent.process.wait(10) == 0
    assert time.monotonic() - began < 1
    assert not agent.socket.exists()
