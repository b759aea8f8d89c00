"""Runs one command line: parses it, does it, and turns whatever happens into an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import typer

from devbench_cli.app import app
from devbench_cli.defaults import keep_defaults
from devbench_cli.failures import (
    EXIT_BROKEN_PIPE,
    EXIT_FAILURE,
    EXIT_INTERRUPTED,
    exit_code_of,
    only_cause,
    print_error,
)
from devbench_cli.lazy import keep_examples
from devbench_cli.options import Options, parameters
from devbench_core.errors import DevbenchError


def run_program(arguments: Sequence[str]) -> int:
    """Return the exit code of a command line."""
    options = Options()
    command = typer.main.get_command(app)
    command.params.extend(parameters(remote=True))
    keep_examples(command)
    keep_defaults(command)
    try:
        command.main(list(arguments), prog_name="devbench", obj=options)
    except SystemExit as end:
        return _flushed(end.code if isinstance(end.code, int) else int(end.code is not None))
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BaseException as error:  # noqa: BLE001 - the last border: everything becomes an exit code
        return _failed(only_cause(error), options)
    return _flushed(0)


def _failed(error: BaseException, options: Options) -> int:
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
    """Leave quietly when the reader of our output went away, also at the interpreter's own last flush."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return EXIT_BROKEN_PIPE
