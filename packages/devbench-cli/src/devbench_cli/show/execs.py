"""A command's output and ending, for people and for machines."""

from __future__ import annotations

import sys

from devbench_cli.descriptors import STDERR, STDOUT, write
from devbench_cli.following import OnPiece
from devbench_cli.options import Options
from devbench_cli.show.results import json_line
from devbench_core.tools.exec_views import ExecEndingView
from devbench_core.tools.pieces import OutputPiece

DEFAULTS = {"timed_out": "it was ended with everything it started"}


def sink(options: Options) -> OnPiece:
    """Return what each piece of output is handed to."""
    return _as_json if options.as_json else _as_bytes


async def _as_bytes(piece: OutputPiece) -> None:
    if piece.lost_bytes:
        note = f"devbench: {piece.lost_bytes} bytes of {piece.stream} were lost here\n"
        await write(STDERR, note.encode())
    await write(STDOUT if piece.stream == "stdout" else STDERR, piece.to_bytes())


async def _as_json(piece: OutputPiece) -> None:
    json_line({"output": piece.model_dump(mode="json", exclude_none=True)})


def tell_replay(exec_id: str, options: Options) -> None:
    """Say to people that what follows is the output of a command that was started before."""
    if not options.quiet and not options.as_json and sys.stderr.isatty():
        sys.stderr.write(f"devbench: its key had started {exec_id} before; this is its output\n")


def tell_ending(ending: ExecEndingView, options: Options, *, replayed: bool = False) -> None:
    """Say how a command ended when its exit code alone does not; machines are always told."""
    if options.as_json:
        json_line({"ending": ending.model_dump(mode="json"), "replayed": replayed})
    elif ending.reason not in {"exited", "signaled", "cancelled"}:
        what = ending.message or ending.failure or DEFAULTS.get(ending.reason, "no reason is known")
        sys.stderr.write(f"devbench: {ending.reason.replace('_', ' ')}: {what}\n")
