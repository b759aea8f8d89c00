"""The options that every command has, before or after the command's name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import click


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


def _store(ctx: click.Context, param: click.Parameter, value: Any) -> Any:
    """Keep a value that was given; the default of a later place must not undo an earlier one."""
    if value in (None, "") or ctx.resilient_parsing:
        return value
    options = options_of(ctx)
    source = ctx.get_parameter_source(param.name)
    if source is click.ParameterSource.COMMANDLINE or (
        # It is the same at each place, so it must not undo what was typed at an earlier one either.
        source is click.ParameterSource.ENVIRONMENT and getattr(options, param.name) is None
    ):
        setattr(options, param.name, value)
    return value


def options_of(ctx: click.Context) -> Options:
    """Return the options of this command line."""
    if ctx.obj is None:
        ctx.find_root().obj = ctx.obj = Options()
    options: Options = ctx.obj
    return options


def _option(*names: str, **more: Any) -> click.Option:
    return click.Option(names, expose_value=False, callback=_store, **more)


def _variable(name: str) -> dict[str, Any]:
    return {"envvar": name, "show_envvar": True}


# The program and each command have the same ones.
LOCAL = (
    _option(
        "--config",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Configuration file; else devbench.toml is searched for.",
    ),
    _option("--runtime", metavar="NAME", help="Runtime to use instead of the configured one."),
    _option("--json", "as_json", is_flag=True, help="Print JSON for machines."),
    _option("--quiet", "-q", is_flag=True, help="Print nothing but results and errors."),
    _option(
        "--verbose",
        "-v",
        count=True,
        show_default=False,
        help="Log events to stderr; twice for details.",
    ),
)
REMOTE = (
    _option(
        "--url",
        **_variable("DEVBENCH_URL"),
        metavar="URL",
        help="Drive a remote host, for example https://bench.example/mcp.",
    ),
    _option(
        "--token-file",
        type=click.Path(path_type=Path),
        **_variable("DEVBENCH_TOKEN_FILE"),
        metavar="FILE",
        help="File with the bearer token for --url; else DEVBENCH_TOKEN is read.",
    ),
    _option(
        "--retries",
        type=click.IntRange(min=0),
        **_variable("DEVBENCH_RETRIES"),
        metavar="N",
        help="How often a call to a host that did not come through is repeated, where that is safe. Default: 50.",
    ),
    _option(
        "--retry-for",
        **_variable("DEVBENCH_RETRY_FOR"),
        metavar="DURATION",
        help="For how long after its first failure. Default: 60s.",
    ),
    _option(
        "--retry-wait",
        **_variable("DEVBENCH_RETRY_WAIT"),
        metavar="DURATION",
        help="The longest pause between two repeats; the first is a tenth of a second. Default: 2s.",
    ),
    _option(
        "--silent-after",
        **_variable("DEVBENCH_SILENT_AFTER"),
        metavar="DURATION",
        help="Give a connection up on which a host sent no sign of life for so long. Default: 30s.",
    ),
)


def parameters(*, remote: bool) -> list[click.Parameter]:
    """Return the common options as parameters to add to a command.

    Args:
        remote: Whether the command can also drive a remote host.
    """
    return [*LOCAL, *(REMOTE if remote else ())]
