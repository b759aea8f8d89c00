"""A PostgreSQL server of our own, beneath one folder, reached by a socket in it."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from urllib.parse import quote

import attrs

PROGRAMS = "/usr/lib/postgresql/*/bin"
USER = "devbench"
OWNER = "postgres"
"""The user that the distribution's package makes: PostgreSQL refuses root, and nameless ones."""
READY_S = 60.0
STEP_S = 0.05
STOP_S = 30.0
SETTINGS = (
    "max_connections=200",
    "shared_buffers=64MB",
    "log_min_messages=warning",
)


@attrs.define
class Server:
    """A server, which tests may kill and start again.

    Attributes:
        folder: All that it has.
        durable: Whether its commits are on disk when they are answered.
        address: Where it listens beside its socket, if anywhere, and takes everybody from that network.
        network: In which that is.
        settings: More than ours.
    """

    folder: Path
    durable: bool = False
    address: str = ""
    network: str = ""
    settings: tuple[str, ...] = ()
    _process: subprocess.Popen[bytes] | None = None

    @property
    def data(self) -> Path:
        """Its data."""
        return self.folder / "data"

    @property
    def programs(self) -> Path:
        """The folder of its programs, and of its clients."""
        return Path(_program("postgres")).parent

    def url(self, database: str) -> str:
        """Return the address of a database."""
        if self.address:
            return f"postgresql+asyncpg://{USER}@{self.address}/{database}"
        return f"postgresql+asyncpg://{USER}@/{database}?host={quote(str(self.folder))}"

    def make(self) -> None:
        """Make the data."""
        options = ["--username", USER, "--auth", "trust", "--encoding", "UTF8", "--no-locale", "--no-sync"]
        self._run(_program("initdb"), "--pgdata", str(self.data), *options)
        if self.address:
            with (self.data / "pg_hba.conf").open("a", encoding="utf-8") as file:
                file.write(f"host all all {self.network} trust\nhost all all {self.address}/32 trust\n")

    def start(self) -> None:
        """Start it, and wait until it answers."""
        fsync = f"fsync={'on' if self.durable else 'off'}"  # the machine does not fail; its processes may
        chosen = (*SETTINGS, fsync, f"listen_addresses={self.address}", *self.settings)
        settings = [word for setting in chosen for word in ("-c", setting)]
        argv = [_program("postgres"), "-D", str(self.data), "-k", str(self.folder), *settings]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._as_user(argv), cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        deadline = time.monotonic() + READY_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start: {(self.folder / 'log').read_text()[-2000:]}")
            time.sleep(STEP_S)

    def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        """End it: SIGINT closes its connections, SIGQUIT is a crash."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(STOP_S)
            self._process = None

    def revive(self) -> None:
        """Start it again if it ended by itself, or see that it answers."""
        deadline = time.monotonic() + READY_S
        while not self._answers():
            if self._process is None or self._process.poll() is not None:
                self.start()
                return
            if time.monotonic() > deadline:
                raise RuntimeError("PostgreSQL does not answer")
            time.sleep(STEP_S)

    def psql(self, statement: str, database: str = "postgres") -> str:
        """Run a statement as an administrator would."""
        argv = ["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--command", statement]
        return self._run(_program("psql"), "-h", str(self.folder), "-U", USER, "-d", database, *argv).strip()

    def database(self) -> str:
        """Make a database, and return its address."""
        name = f"t_{secrets.token_hex(6)}"
        self.psql(f"CREATE DATABASE {name}")
        return self.url(name)

    def _answers(self) -> bool:
        asked = [_program("pg_isready"), "-q", "-h", str(self.folder)]
        return subprocess.run(asked, check=False, timeout=READY_S).returncode == 0

    def _run(self, *argv: str) -> str:
        done = subprocess.run(
            self._as_user(list(argv)),
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=READY_S,
        )
        if done.returncode != 0:
            raise RuntimeError(f"{argv[0]}: {done.stderr[-2000:]}")
        return done.stdout

    def _as_user(self, argv: list[str]) -> list[str]:
        """Run as a user that PostgreSQL takes, and end it with this process, however that ends."""
        become = ["setpriv", "--pdeathsig", "QUIT"]
        if os.geteuid() == 0:
            become += [f"--reuid={OWNER}", f"--regid={OWNER}", "--clear-groups"]
        return [*become, *argv]


@contextmanager
def server(
    *,
    durable: bool = False,
    folder: Path | None = None,
    address: str = "",
    network: str = "",
    settings: tuple[str, ...] = (),
) -> Generator[Server]:
    """Run one while the block lasts.

    Args:
        durable: Whether its commits are on disk when they are answered, as those of real servers are.
        folder: Where; else it makes one.
        address: Where it listens beside its socket, if anywhere.
        network: Whom it takes there.
        settings: More than ours.
    """
    with nullcontext(folder) if folder else _new_folder() as place:
        if os.geteuid() == 0:
            shutil.chown(place, OWNER, OWNER)
        running = Server(place, durable=durable, address=address, network=network, settings=settings)
        running.make()
        running.start()
        try:
            yield running
        finally:
            running.stop(signal.SIGQUIT)  # nobody wants its data any more


@contextmanager
def _new_folder() -> Generator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="devbench-pg-", dir="/var/tmp"))  # short: it holds a socket
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _program(name: str) -> str:
    found = sorted(Path("/").glob(f"{PROGRAMS.lstrip('/')}/{name}"))
    if not found:
        raise RuntimeError("PostgreSQL is not installed; install it with: uv run nox -s engines")
    return str(found[-1])
