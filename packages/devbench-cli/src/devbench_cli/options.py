"""The options that every command has, before or after the command's name."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated, Any

import attrs
import typer


@attrs.define(kw_only=True)
class Options:
    """What the common options said; filled while the command line is parsed.

    Attributes:
        config: The configuration file, None to search for one.
        runtime: Wins over the configuration.
        url: A remote host, None for the core in this process.
        token_file: Holds the bearer token for the remote host.
        retries: How often a call to the remote host is repeated at most.
        retry_for: For how long after its first failure.
        retry_wait: The longest pause between two.
        silent_after: How long nothing may come from the remote host.
        as_json: Print for machines.
        quiet: Say nothing but results and errors.
        verbose: 0 for warnings, 1 for events, 2 for everything.
    """

    config: Path | None = None
    runtime: str | None = None
    url: str | None = None
    token_file: Path | None = None
    retries: int | None = None
    retry_for: str | None = None
    retry_wait: str | None = None
    silent_after: str | None = None
    as_json: bool = False
    quiet: bool = False
    verbose: int = 0

    @property
    def log_level(self) -> str:
        """The level of log events on stderr."""
        if self.quiet:
            return "error"
        return ("warning", "info", "debug")[min(self.verbose, 2)]


def _store(ctx: typer.Context, param: typer.CallbackParam, value: Any) -> Any:
    """Keep a value that was given; the default of a later place must not undo an earlier one."""
    given = value or (value == 0 and param.default is None)
    if given and param.name and not ctx.resilient_parsing:
        setattr(options_of(ctx), param.name, value)
    return value


def options_of(ctx: typer.Context) -> Options:
    """Return the options of this command line."""
    if ctx.obj is None:
        ctx.find_root().obj = ctx.obj = Options()
    options: Options = ctx.obj
    return options


def _option(*names: str, **more: Any) -> Any:
    return typer.Option(*names, expose_value=False, **more)


def _local(
    *,
    config: Annotated[
        Path | None,
        _option("--config", metavar="FILE", help="Configuration file; else devbench.toml is searched for."),
    ] = None,
    runtime: Annotated[
        str | None,
        _option("--runtime", metavar="NAME", help="Runtime to use instead of the configured one."),
    ] = None,
    as_json: Annotated[bool, _option("--json", help="Print JSON for machines.")] = False,
    quiet: Annotated[bool, _option("--quiet", "-q", help="Print nothing but results and errors.")] = False,
    verbose: Annotated[
        int, _option("--verbose", "-v", count=True, help="Log events to stderr; twice for details.")
    ] = 0,
) -> None:
    _ = config, runtime, as_json, quiet, verbose


def _remote(
    url: Annotated[
        str | None,
        _option(
            "--url",
            envvar="DEVBENCH_URL",
            metavar="URL",
            help="Drive a remote host, for example https://bench.example/mcp.",
        ),
    ] = None,
    token_file: Annotated[
        Path | None,
        _option(
            "--token-file",
            envvar="DEVBENCH_TOKEN_FILE",
            metavar="FILE",
            help="File with the bearer token for --url; else DEVBENCH_TOKEN is read.",
        ),
    ] = None,
    retries: Annotated[
        int | None,
        _option(
            "--retries",
            envvar="DEVBENCH_RETRIES",
            metavar="N",
            min=0,
            help="How often a call to a host that did not come through is repeated, where that is safe. Default: 50.",
        ),
    ] = None,
    retry_for: Annotated[
        str | None,
        _option(
            "--retry-for",
            envvar="DEVBENCH_RETRY_FOR",
            metavar="DURATION",
            help="For how long after its first failure. Default: 60s.",
        ),
    ] = None,
    retry_wait: Annotated[
        str | None,
        _option(
            "--retry-wait",
            envvar="DEVBENCH_RETRY_WAIT",
            metavar="DURATION",
            help="The longest pause between two repeats; the first is a tenth of a second. Default: 2s.",
        ),
    ] = None,
    silent_after: Annotated[
        str | None,
        _option(
            "--silent-after",
            envvar="DEVBENCH_SILENT_AFTER",
            metavar="DURATION",
            help="Give a connection up on which a host sent no sign of life for so long. Default: 30s.",
        ),
    ] = None,
) -> None:
    _ = url, token_file, retries, retry_for, retry_wait, silent_after


def parameters(*, remote: bool) -> list[Any]:
    """Return the common options as parameters to add to a command.

    Args:
        remote: Whether the command can also drive a remote host.
    """
    functions = (_local, _remote) if remote else (_local,)
    return [parameter for function in functions for parameter in _parameters_of(function)]


@cache  # the program and each command have them
def _parameters_of(function: Any) -> list[Any]:
    app = typer.Typer(add_completion=False)
    app.command()(function)
    found: list[Any] = list(typer.main.get_command(app).params)
    for parameter in found:
        parameter.callback = _store  # given to typer, it would be looked through once for each of them
    return found
