"""Reads the configuration: explicit overrides, then variables, then the file, then defaults."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError

from devbench_core.config.faults import explain
from devbench_core.config.find import find
from devbench_core.config.settings import Settings
from devbench_core.errors import ConfigurationInvalid
from devbench_core.nearest import suggestion
from devbench_core.values import frozen

PREFIX = "DEVBENCH_"
DELIMITER = "__"
RESERVED = frozenset({"CONFIG", "URL", "TOKEN", "TOKEN_FILE", "RETRIES", "RETRY_FOR", "RETRY_WAIT"})
"""Variables with our prefix that are no settings: they belong to the command line."""
RESERVED_PREFIXES = ("TEST_", "AGENT_", "BENCH_")
MAX_FILE_BYTES = 1024 * 1024


@frozen
class Loaded:
    """The settings and the file that they came from (None when there was none)."""

    settings: Settings
    path: Path | None


def load_settings(
    path: Path | None = None,
    *,
    overrides: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Loaded:
    """Find, read and validate the configuration.

    Args:
        path: A file named by the user, else it is searched for.
        overrides: Nested values that win over everything, as from command-line options.
        environ: The variables; the process's own when None.

    Raises:
        ConfigurationInvalid: With all faults; values are never shown, since they may be secrets.
    """
    variables: Mapping[str, str] = os.environ if environ is None else environ
    found = find(path, variables)
    return Loaded(settings=from_values(read_file(found), overrides=overrides, environ=variables), path=found)


def from_values(
    values: Mapping[str, Any],
    *,
    overrides: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """Validate values as they would stand in a file, below variables and overrides.

    Raises:
        ConfigurationInvalid: With all faults.
    """
    variables = ours({} if environ is None else environ)
    faults = _unknown(variables)
    try:
        said = _read(variables) if variables else {}
        settings = Settings.model_validate(_merged(_merged(values, said), overrides or {}))
    except ValidationError as error:
        raise _invalid([*faults, *explain(error, Settings)]) from None
    except ValueError as error:
        raise _invalid([*faults, str(error)]) from error
    if faults:
        raise _invalid(faults)
    return settings


def read_file(path: Path | None) -> dict[str, Any]:
    """Return the tables of a file; nothing for None.

    Raises:
        ConfigurationInvalid: It cannot be read, is too large or is no TOML; names the line.
    """
    if path is None:
        return {}
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ConfigurationInvalid(f"configuration file {str(path)!r} is over {MAX_FILE_BYTES} bytes")
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationInvalid(f"configuration file {str(path)!r} cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationInvalid(f"configuration file {str(path)!r} is not valid TOML: {error}") from error


def ours(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that say something of the configuration, or try to; case does not matter."""
    return {name: value for name, value in environ.items() if _is_ours(name.upper())}


def _is_ours(name: str) -> bool:
    rest = name.removeprefix(PREFIX)
    return rest != name and rest not in RESERVED and not rest.startswith(RESERVED_PREFIXES)


def _read(variables: Mapping[str, str]) -> dict[str, Any]:
    from devbench_core.config.variables import values_of  # its library takes a while, and is seldom needed

    return values_of(variables)


def _merged(lower: Mapping[str, Any], upper: Mapping[str, Any]) -> dict[str, Any]:
    """Return both; of two values of one name the upper one, of two tables both, merged."""
    merged = dict(lower)
    for name, value in upper.items():
        below = merged.get(name)
        if isinstance(value, Mapping) and isinstance(below, Mapping):
            merged[name] = _merged(cast("Mapping[str, Any]", below), cast("Mapping[str, Any]", value))
        else:
            merged[name] = value
    return merged


def _unknown(variables: Iterable[str]) -> list[str]:
    faults: list[str] = []
    for name in variables:
        field = name[len(PREFIX) :].split(DELIMITER)[0].lower()
        if field not in Settings.model_fields:
            hint = suggestion(field, Settings.model_fields)
            faults.append(f"variable {name!r} is no setting; {hint}")
    return faults


def _invalid(faults: list[str]) -> ConfigurationInvalid:
    text = "the configuration is invalid:\n" + "\n".join(f"  - {fault}" for fault in faults)
    return ConfigurationInvalid(text, hint="see `devbench config schema`", details={"faults": faults})
