"""Output as another host than the command's shows it."""

from __future__ import annotations

import devbench_core
from devbench_core.containers import SpawnRequest
from devbench_core.model.execution import ExecRequest
from harness.postgres import server
from performance.measure import Row, Step, interleave
from performance.setting import Setting

OWN, OTHER = "its own host", "another host"
DELAY_AT_MOST_MS = 200.0
WAIT_S = 30.0


async def run(setting: Setting) -> list[Row]:
    """Measure from a line given to a command until it is read back, by a poll that waits for it."""
    with server(durable=True) as running:
        config = {
            "plugins": ["bubblewrap", "sql"],
            "runtime": "bubblewrap",
            "store": "sql",
            "state_dir": str(setting.folder / "sharing"),
            "cache_dir": str(setting.folder / "cache"),
            "plugin": {"sql": {"url": running.database()}},
        }
        async with devbench_core.open(config) as first, devbench_core.open(config) as second:
            container = (await first.containers.spawn(SpawnRequest())).container.id
            steps = {
                OWN: await _echo(first, first, container),
                OTHER: await _echo(first, second, container),
            }
            row = await interleave(
                "a line back from a command (raw: through its own host)",
                steps,
                rounds=setting.quick,
                bounds_ms={OTHER: DELAY_AT_MOST_MS},
            )
    return [row]


async def _echo(first: devbench_core.Bench, reads: devbench_core.Bench, container: str) -> Step:
    command = (await first.execs.start(container, ExecRequest(argv=("cat",)), open_stdin=True)).id
    cursor = 0

    async def step() -> None:
        nonlocal cursor
        await first.execs.write_input(command, b"line\n")
        page = await reads.execs.poll(command, after=cursor, wait_s=WAIT_S)
        if not page.chunks:
            raise AssertionError(f"nothing came of command {command} within {WAIT_S:g} s")
        cursor = page.cursor

    return step
