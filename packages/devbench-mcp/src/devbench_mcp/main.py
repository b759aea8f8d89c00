"""The program ``devbench-mcp``."""

from __future__ import annotations

import argparse
import asyncio
import gc
import sys
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from devbench_core import logs
from devbench_core.config.load import load_settings
from devbench_core.config.settings import Settings
from devbench_core.errors import DevbenchError
from devbench_mcp.settings import McpSettings, mcp_settings
from devbench_mcp.stopping import on_signals, unless_stopped

if TYPE_CHECKING:
    from devbench_core.bench import Bench

EXIT_FAILED = 1
EXIT_USAGE = 2


def parser() -> argparse.ArgumentParser:
    """Return the command line's parser."""
    found = argparse.ArgumentParser(
        prog="devbench-mcp", description="Serve devbench's tools over the Model Context Protocol."
    )
    found.add_argument("--transport", choices=("stdio", "http"), default="stdio", help="default: stdio")
    found.add_argument("--host", help="address to listen on (http); default: [mcp] host, 127.0.0.1")
    found.add_argument("--port", type=int, help="port to listen on (http), 0 for a free one; default: 8765")
    found.add_argument("--config", type=Path, help="configuration file; default: searched for")
    found.add_argument(
        "--log-level", choices=("debug", "info", "warning", "error"), default="warning", help="to stderr"
    )
    found.add_argument("--log-json", action="store_true", help="one JSON object a line")
    found.add_argument("--version", action="version", version=f"devbench-mcp {version('devbench-mcp')}")
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit code: 0 after a clean end, 1 when it failed, 2 for a wrong command line."""
    options = parser().parse_args(argv)
    logs.configure(options.log_level, as_json=options.log_json)
    try:
        settings = load_settings(options.config).settings
        own = mcp_settings(settings.mcp, host=options.host, port=options.port)
        with _runner() as runner:
            runner.run(serve(settings, own, transport=options.transport))
    except DevbenchError as error:
        _say(str(error))
        return EXIT_FAILED
    except BaseExceptionGroup as group:
        _, others = group.split(DevbenchError)
        if others is not None:
            raise
        _say("\n".join(str(error) for error in group.exceptions))
        return EXIT_FAILED
    finally:
        gc.enable()
    return 0


async def serve(settings: Settings, own: McpSettings, *, transport: str) -> None:
    """Open the core and serve until a signal or, on stdio, the client's end of file.

    Raises:
        DevbenchError: It cannot start; says what to do.
    """
    if transport == "stdio":
        from devbench_mcp.stdio import serve_stdio

        with on_signals(own.grace_s) as stopping:
            await serve_stdio(_opening(settings), own, stopping=stopping, opened=_started)
        return
    from devbench_mcp.callers import Callers
    from devbench_mcp.http import bind, serve_http

    await asyncio.to_thread(Callers.of, own)  # a missing token shows before an engine is touched
    taken = bind(own)
    with on_signals(own.grace_s) as stopping:
        async with unless_stopped(_opening(settings), stopping) as bench:
            if bench is None:
                return
            _started()
            await serve_http(
                bench,
                own,
                stopping=stopping,
                taken=taken,
                started=lambda url: _say(f"listening on {url} (runtime {bench.runtime.name})"),
            )


@asynccontextmanager
async def _opening(settings: Settings) -> AsyncGenerator[Bench]:
    """Import the core, which a client that is greeted need not wait for either, and open it."""
    core = await asyncio.to_thread(import_module, "devbench_core.bench")
    open_bench: Callable[[Settings], AbstractAsyncContextManager[Bench]] = core.open
    async with open_bench(settings) as bench:
        yield bench


def _started() -> None:
    """Collect garbage from here on, without looking again and again at what the start has made and what stays."""
    gc.freeze()
    gc.enable()


def _runner() -> asyncio.Runner:
    """Return a runner on uvloop where it is installed (extra ``fast``)."""
    try:
        import uvloop  # pyright: ignore[reportMissingImports] - optional
    except ImportError:
        return asyncio.Runner()
    return asyncio.Runner(loop_factory=uvloop.new_event_loop)  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]


def _say(text: str) -> None:
    """Tell the operator; stdout belongs to the protocol."""
    print(f"devbench-mcp: {text}", file=sys.stderr, flush=True)  # noqa: T201
