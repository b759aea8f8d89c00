"""A real `devbench serve` for tests of `--url`, and what processes of this machine take."""

from __future__ import annotations

import re
import subprocess
import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs

from harness.mcp_program import toml

TOKEN = "0123456789abcdef-remote"
STOP_S = 30.0
LOOK_S = 0.005
MIB = 1024 * 1024


@attrs.frozen
class CliHost:
    """A host that listens, on the state folder of a command."""

    url: str
    process: subprocess.Popen[str]

    @property
    def environment(self) -> dict[str, str]:
        """The variables with which the command goes there."""
        return self.reached_at(self.url)

    def reached_at(self, url: str) -> dict[str, str]:
        """The same, by way of another address."""
        return {"DEVBENCH_URL": url, "DEVBENCH_TOKEN": TOKEN, "CLI_TEST_TOKEN": TOKEN}

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2].partition("/")[0])


@contextmanager
def serving(cli: Any, name: str = "devbench", **mcp: object) -> Generator[CliHost]:
    """Serve while the block lasts, with a token and further settings of ``[mcp]``."""
    config = Path(cli.folder) / f"{name}.toml"
    config.write_text(toml({"mcp": mcp}) + '\n[[mcp.tokens]]\ntoken_env = "CLI_TEST_TOKEN"\n')
    with subprocess.Popen(
        cli.argv("--config", str(config), "serve", "--transport", "http", "--port", "0"),
        env={**cli.environment, "CLI_TEST_TOKEN": TOKEN},
        cwd=cli.folder,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        found = None
        while found is None:
            line = process.stderr.readline()
            assert line, "the host ended"
            found = re.search(r"listening on (http://\S+)", line)
        log: list[str] = []  # a pipe that nobody reads stops the host once it is full
        threading.Thread(target=log.extend, args=(process.stderr,), daemon=True).start()
        address = found[1]
        yield CliHost(address if address.endswith("/mcp") else f"{address.rstrip('/')}/mcp", process)
        process.terminate()
        assert process.wait(STOP_S) == 0, "".join(log)


def peak_bytes(pid: int) -> int:
    """Return the most memory that a process had; 0 when it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")), 0)


def peak_of(cli: Any, *arguments: str, env: Mapping[str, str], stdin: Path | None = None) -> int:
    """Run the command to its good end and return the most memory that it had."""
    with (
        (stdin or Path("/dev/null")).open("rb") as given,
        subprocess.Popen(
            cli.argv(*arguments),
            env={**cli.environment, **env},
            cwd=cli.folder,
            stdin=given,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        ) as process,
    ):
        peak = 0
        while process.poll() is None:
            peak = max(peak, peak_bytes(process.pid))
            time.sleep(LOOK_S)
        assert process.stderr is not None
        assert process.returncode == 0, process.stderr.read()
        return peak


def until(seen: Callable[[], bool], deadline_s: float = 30.0) -> None:
    """Wait for a condition."""
    end = time.monotonic() + deadline_s
    while not seen():
        assert time.monotonic() < end, "not seen in time"
        time.sleep(LOOK_S)
