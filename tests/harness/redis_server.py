"""A private Redis server, on a Unix socket in a folder of its own, that keeps nothing on disk."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

from redis import Redis
from redis.exceptions import RedisError

from engines.install import find_program

PROGRAM = "redis-server"
PACKAGE = "redis-server"
START_TIMEOUT_S = 20.0
LOOK_S = 0.01


def program() -> str:
    """Return where the server's program is.

    Raises:
        RuntimeError: It is not installed; says how that is done.
    """
    found = find_program(PROGRAM)
    if found is None:
        raise RuntimeError(
            f"{PROGRAM} is not installed; run: apt-get install {PACKAGE} (or: uv run nox -s engines)"
        )
    return found


def free_port() -> int:
    """Return a TCP port that nobody has."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


class RedisServer:
    """Runs for a block; options are those of the program.

    Attributes:
        folder: Where its socket is.
        socket: The path of that.
        url: What a client connects with.
    """

    def __init__(self, *options: str, password: str | None = None) -> None:
        self._options = options
        self._password = password
        self._process: subprocess.Popen[bytes] | None = None
        self.folder = Path(tempfile.mkdtemp(prefix="devbench-redis-"))  # short, for the socket's name
        self.socket = self.folder / "redis.sock"
        self.url = f"unix://{self.socket}"

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self) -> None:
        """Start it, empty, and wait until it answers."""
        options = self._options if "--port" in self._options else ("--port", "0", *self._options)
        argv = [program(), *options, "--unixsocket", str(self.socket), "--dir", str(self.folder)]
        argv += ["--save", "", "--appendonly", "no", "--logfile", str(self.folder / "log")]
        self._process = subprocess.Popen(argv, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                log = self.folder / "log"
                raise RuntimeError(f"{argv} does not answer:\n{log.read_text() if log.exists() else ''}")
            time.sleep(LOOK_S)

    def kill(self) -> None:
        """Kill it, with all that it knows."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
            self.socket.unlink(missing_ok=True)

    def stop(self) -> None:
        """Let it hang: it takes connections and answers nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """End that."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def ask(self, *words: str | int) -> Any:
        """Give it a command of our own, and return its answer."""
        with Redis(
            unix_socket_path=str(self.socket), password=self._password, protocol=2, decode_responses=True
        ) as client:
            return cast("Any", client).execute_command(*words)

    def _answers(self) -> bool:
        try:
            return bool(self.ask("PING"))
        except RedisError:
            return False
