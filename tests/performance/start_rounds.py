"""How long programs take to start, beside Python itself: what every short command and every new client waits for."""

from __future__ import annotations

import asyncio
import json
import os

from harness.greeting import INITIALIZE
from performance.installed import PLUGINS, install
from performance.measure import Row, Step, interleave
from performance.setting import Setting

RAW = "python -c pass"
VERSION_AT_MOST = 3.0
"""At most so many times Python's own start."""
PS_AT_MOST_MS = 400.0
INITIALIZE_AT_MOST_MS = 1000.0
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
"""Modules are compiled once, as an installer does it, and not at every start."""


async def run(setting: Setting) -> list[Row]:
    """Measure the starts of what is installed from wheels, each beside Python's, in one interleaved run."""
    programs = await asyncio.to_thread(install, setting.folder)
    config = str(setting.write_config("start", runtime="bubblewrap", plugins=PLUGINS))
    devbench, mcp = str(programs / "devbench"), str(programs / "devbench-mcp")
    listed = str(setting.write_config("listed", runtime="bubblewrap", plugins=PLUGINS))
    version, ps, greeted = "devbench --version", "devbench ps", "devbench-mcp, until initialize is answered"
    host = _Host(mcp, "--config", config, "--transport", "stdio")
    steps: dict[str, Step] = {
        RAW: _ends(str(programs / "python"), "-c", "pass"),
        version: _ends(devbench, "--version"),
        ps: _ends(devbench, "--config", config, "ps"),
        "devbench ps, of a container": _ends(devbench, "--config", listed, "ps"),
        greeted: host.greet,
    }
    await _ends(devbench, "--config", listed, "spawn", "--alias", "one")()
    row = await interleave(
        "start of a program",
        steps,
        rounds=setting.kills,
        bounds={version: VERSION_AT_MOST},
        bounds_ms={ps: PS_AT_MOST_MS, greeted: INITIALIZE_AT_MOST_MS},
        after={greeted: host.end},
    )
    await _ends(devbench, "--config", listed, "kill", "one")()
    return [row]


def _ends(*command: str) -> Step:
    async def step() -> None:
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.DEVNULL, env=ENVIRONMENT
        )
        if await process.wait() != 0:
            raise AssertionError(f"{command} exited with {process.returncode}")

    return step


class _Host:
    """A host on stdio that is started, greeted, and left."""

    def __init__(self, *command: str) -> None:
        self._command = command
        self._process: asyncio.subprocess.Process | None = None

    async def greet(self) -> None:
        """Start it, and wait for its answer to the first request."""
        process = self._process = await asyncio.create_subprocess_exec(
            *self._command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, env=ENVIRONMENT
        )
        if process.stdin is None or process.stdout is None:
            raise AssertionError("no pipes")
        process.stdin.write(json.dumps(INITIALIZE).encode() + b"\n")
        answer = json.loads(await process.stdout.readline() or b"{}")
        if "result" not in answer:
            raise AssertionError(f"no answer to initialize: {answer}")

    async def end(self) -> None:
        """Close its input, at which it ends."""
        if self._process is not None:
            await self._process.communicate(b"")  # closes it
