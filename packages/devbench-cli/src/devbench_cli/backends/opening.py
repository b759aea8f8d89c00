"""Chooses and opens the backend that the command line asks for."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from devbench_cli.backends.protocol import Backend
from devbench_cli.options import Options
from devbench_core.errors import ConfigurationInvalid

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


@asynccontextmanager
async def open_backend(options: Options) -> AsyncGenerator[Backend]:
    """Open the remote host that ``--url`` names, else the core in this process."""
    if options.url is not None:
        from devbench_cli.backends.remote import open_remote

        async with open_remote(options.url, token_of(options)) as remote:
            yield remote
    else:
        from devbench_cli.backends.local import open_local

        async with open_local(options.config, overrides_of(options)) as local:
            yield local
