"""An agent that runs as a local process."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from agent_wire import Channel, connect

TOKEN = bytes(range(32))
DEADLINE_S = 20.0


def wait_until(condition: Callable[[], object], what: str, within_s: float = DEADLINE_S) -> None:
    until = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < until, f"not in time: {what}"
        time.sleep(0.005)


@dataclass
class Agent:
    process: subprocess.Popen[bytes]
    pid: int
    socket: Path
    workspace: Path

    def connect(self, *, auto_ack: bool = True) -> Channel:
        """A channel that got HELLO."""
        channel = connect(self.socket)
        channel.auto_ack = auto_ack
        channel.hello()
        return channel

    def host(self, *, takeover: bool = False, auto_ack: bool = True) -> Channel:
        """An authenticated channel."""
        channel = self.connect(auto_ack=auto_ack)
        channel.auth(TOKEN, claim=not channel.claimed, takeover=takeover)
        return channel

    def rss_bytes(self) -> int:
        return rss_bytes(self.pid)

    def descriptors(self) -> int:
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    def children(self) -> list[int]:
        return [int(pid) for pid in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()]


def rss_bytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))


StartAgent = Callable[..., Agent]
