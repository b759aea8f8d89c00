"""Starting a command to type at, and telling how it went."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from devbench_cli.backends.protocol import Backend, ask
from devbench_cli.failures import EXIT_SIGNAL_BASE
from devbench_cli.following import Interruption, exit_code_of_ending, interruptions, unless_interrupted
from devbench_cli.options import Options
from devbench_cli.show.execs import sink, tell_ending, tell_replay
from devbench_cli.terminal.local import require_terminal
from devbench_cli.terminal.session import Session, follow_session
from devbench_core.errors import ValidationFailed
from devbench_core.tools.exec_views import ExecView
from devbench_core.tools.execs import ExecStartOutput

WITHOUT_TERMINAL = "pass a pipe or a file on with `devbench exec -i`, without -t"


def check(session: Session, options: Options) -> None:
    """Check that there is somebody to type and to look.

    Raises:
        ValidationFailed: stdin is no terminal, or output for machines was asked for.
    """
    if not session.tty or not session.interactive:
        return
    require_terminal(WITHOUT_TERMINAL)
    if options.as_json:
        raise ValidationFailed("--json", "does not go with typing at a terminal", hint="leave out -i")


async def run_session(
    backend: Backend,
    options: Options,
    container: str,
    candidates: Sequence[Mapping[str, Any]],
    session: Session,
) -> int:
    """Start the first of the commands that exists, follow it, and return the exit code.

    Args:
        backend: Where the container is.
        options: Of this command line.
        container: Its id or alias.
        candidates: Arguments of `exec_start`, at least one.
        session: How to follow it.
    """
    async with interruptions() as interruption:
        start = _start_first(backend, container, candidates, session)
        started = await unless_interrupted(start, interruption)
        if started is None:
            return EXIT_SIGNAL_BASE + interruption.number
        if started.replayed:
            tell_replay(started.exec.id, options)
            if not session.tty:  # what is piped to us was given to it the first time
                session = attrs.evolve(session, interactive=False)
        return await _follow(backend, options, started.exec, session, interruption)


async def join_session(backend: Backend, options: Options, started: ExecView, session: Session) -> int:
    """Follow a command that was started before, and return the exit code."""
    async with interruptions() as interruption:
        return await _follow(backend, options, started, session, interruption)


async def _follow(
    backend: Backend, options: Options, started: ExecView, session: Session, interruption: Interruption
) -> int:
    left = await follow_session(backend, started.id, session, sink(options), interruption)
    if left.ending is None:
        if not options.quiet:
            sys.stderr.write(f"\r\ndevbench: left {started.id} running; devbench attach {started.id}\n")
        return 0
    tell_ending(left.ending, options)
    return exit_code_of_ending(left.ending, left.signal)


async def _start_first(
    backend: Backend, container: str, candidates: Sequence[Mapping[str, Any]], session: Session
) -> ExecStartOutput:
    for arguments in candidates:
        env = dict(arguments.get("env") or {})
        if session.tty and os.environ.get("TERM"):
            env.setdefault("TERM", os.environ["TERM"])
        given: dict[str, Any] = {**arguments, "env": env, "container": container}
        started = await ask(backend, ExecStartOutput, "exec_start", **given)
        missing = started.exec.ending is not None and started.exec.ending.failure == "not_found"
        if not missing or arguments is candidates[-1]:
            return started
    raise ValidationFailed("COMMAND", "nothing to run")
