"""Chooses and opens the backend that the command line asks for."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from devbench_cli.backends.protocol import Backend
from devbench_cli.options import Options
from devbench_core.errors import ConfigurationInvalid, ValidationFailed

if TYPE_CHECKING:
    from devbench_cli.backends.patience import Patience

TOKEN_VARIABLE = "DEVBENCH_TOKEN"  # noqa: S105 - the variable's name
TOKEN_MAX_BYTES = 64 * 1024


def overrides_of(options: Options) -> dict[str, Any]:
    """Return the settings that options replace."""
    return {} if options.runtime is None else {"runtime": options.runtime}


def token_of(options: Options, environ: Mapping[str, str] | None = None) -> str | None:
    """Return the bearer token, None for none.

    Raises:
        ConfigurationInvalid: The file cannot be read or is empty.
    """
    variables = os.environ if environ is None else environ
    if options.token_file is None:
        return variables.get(TOKEN_VARIABLE) or None
    return _from_file(options.token_file)


def _from_file(path: Path) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            token = file.read(TOKEN_MAX_BYTES).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationInvalid(f"token file {str(path)!r} cannot be read: {error}") from error
    if not token or any(letter.isspace() for letter in token):
        raise ConfigurationInvalid(
            f"token file {str(path)!r} holds no token", hint="put the token on one line"
        )
    return token


def patience_of(options: Options) -> Patience:
    """Return how long calls to a host are waited for and tried again.

    Raises:
        ValidationFailed: A duration is none, or has no end.
    """
    from devbench_cli.backends.patience import Patience

    usual = Patience()
    return Patience(
        retries=usual.retries if options.retries is None else options.retries,
        for_s=_bound_s("--retry-for", options.retry_for, usual.for_s),
        wait_s=_bound_s("--retry-wait", options.retry_wait, usual.wait_s),
        silent_s=_bound_s("--silent-after", options.silent_after, usual.silent_s),
    )


def _bound_s(option: str, text: str | None, usual_s: float) -> float:
    from devbench_cli.units import duration_s

    seconds = usual_s if text is None else duration_s(option, text)
    if seconds is None:
        raise ValidationFailed(option, "a wait without an end is not possible", hint="write 90s, 15m or 8h")
    return seconds


def _notice(options: Options) -> Callable[[], None]:
    """Return what says once that a call is repeated: to people, in a line of its own also at a raw terminal."""
    is_told = options.quiet or options.as_json

    def tell() -> None:
        nonlocal is_told
        if not is_told:
            is_told = True
            end = "\r\n" if sys.stderr.isatty() else "\n"
            sys.stderr.write(
                f"devbench: {(options.url or '').partition('?')[0]} is lost; connecting again{end}"
            )
            sys.stderr.flush()

    return tell


@asynccontextmanager
async def open_backend(options: Options) -> AsyncGenerator[Backend]:
    """Open the remote host that ``--url`` names, else the core in this process."""
    if options.url is not None:
        from devbench_cli.backends.connecting import open_remote

        patience = patience_of(options)
        async with open_remote(
            options.url, token_of(options), patience=patience, on_repeat=_notice(options)
        ) as remote:
            yield remote
    else:
        from devbench_cli.backends.local import open_local

        async with open_local(options.config, overrides_of(options)) as local:
            yield local
