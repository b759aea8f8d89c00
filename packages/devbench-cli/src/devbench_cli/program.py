"""Runs one command line: parses it, does it, and turns whatever happens into an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from devbench_cli import completing
from devbench_cli.app import app
from devbench_cli.failures import (
    EXIT_BROKEN_PIPE,
    EXIT_FAILURE,
    EXIT_INTERRUPTED,
    exit_code_of,
    only_cause,
    print_error,
)
from devbench_cli.options import Options
from devbench_core.errors import DevbenchError, ValidationFailed


def run_program(arguments: Sequence[str]) -> int:
    """Return the exit code of a command line."""
    options = Options()
    try:
        return _flushed(_run(arguments, options))
    except SystemExit as end:
        return _flushed(end.code if isinstance(end.code, int) else int(end.code is not None))
    except BaseException as error:  # noqa: BLE001 - the last border: everything becomes an exit code
        try:
            return _failed(only_cause(error), options)
        except BrokenPipeError:  # whoever read what goes wrong is gone
            return _broken_pipe()


def _run(arguments: Sequence[str], options: Options) -> int:
    """Do what `click.Command.main` does; for that, Ctrl-C and a reader that went away are failures like others."""
    if question := os.environ.get(completing.VARIABLE):
        return completing.answer(app, question)
    with app.make_context(completing.PROGRAM, list(arguments), obj=options) as ctx:
        app.invoke(ctx)
    return 0


def _failed(error: BaseException, options: Options) -> int:
    if isinstance(error, click.exceptions.Exit):
        return _flushed(error.exit_code)
    if isinstance(error, click.ClickException):
        if options.as_json:
            print_error(_misused(error), as_json=True)
        else:
            error.show()
        return _flushed(error.exit_code)
    if isinstance(error, DevbenchError):
        print_error(error, as_json=options.as_json)
        return exit_code_of(error)
    if isinstance(error, KeyboardInterrupt):
        return EXIT_INTERRUPTED
    if isinstance(error, BrokenPipeError):
        return _broken_pipe()
    if isinstance(error, Exception) and not options.verbose:
        print_error(_unforeseen(error), as_json=options.as_json)
        return EXIT_FAILURE
    raise error


def _misused(error: click.ClickException) -> ValidationFailed:
    """Return what machines see of a command line that cannot be used."""
    ctx = error.ctx if isinstance(error, click.UsageError) else None
    path = ctx.command_path if ctx is not None else completing.PROGRAM
    return ValidationFailed("command line", error.format_message(), hint=f"see `{path} --help`")


def _unforeseen(error: Exception) -> DevbenchError:
    """Return what people see of a bug of ours."""
    return DevbenchError(
        f"unforeseen {type(error).__name__}: {error}",
        hint="run it again with --verbose to see where, and report it",
    )


def _flushed(code: int) -> int:
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        return _broken_pipe()
    return code


def _broken_pipe() -> int:
    """Leave quietly when a reader of our output went away, also at the interpreter's own last flush."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    return EXIT_BROKEN_PIPE
