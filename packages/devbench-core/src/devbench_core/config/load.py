"""Reads the configuration: explicit overrides, then variables, then the file, then defaults."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
from pydantic import ValidationError
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource

from devbench_core.config.faults import explain
from devbench_core.config.find import find
from devbench_core.config.settings import DELIMITER, PREFIX, Settings
from devbench_core.errors import ConfigurationInvalid
from devbench_core.nearest import suggestion

RESERVED = frozenset({"CONFIG", "URL", "TOKEN", "TOKEN_FILE"})
"""Variables with our prefix that are no settings: they belong to the command line."""
RESERVED_PREFIXES = ("TEST_", "AGENT_", "BENCH_")
MAX_FILE_BYTES = 1024 * 1024


@attrs.frozen(kw_only=True)
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
    variables: Mapping[str, str] = {} if environ is None else environ
    faults = _unknown_variables(variables)

    class Bound(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return (init_settings, _Variables(settings_cls, variables), _File(settings_cls, values))

    try:
        settings = Bound(**(dict(overrides or {})))
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


class _Variables(EnvSettingsSource):
    """Reads the variables that it is given, not the process's."""

    def __init__(self, settings_cls: type[BaseSettings], variables: Mapping[str, str]) -> None:
        self._variables = {
            key.lower(): value for key, value in variables.items() if key.upper().startswith(PREFIX)
        }
        super().__init__(settings_cls)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return self._variables


class _File(PydanticBaseSettingsSource):
    """The file's tables as a source of settings."""

    def __init__(self, settings_cls: type[BaseSettings], values: Mapping[str, Any]) -> None:
        super().__init__(settings_cls)
        self._values = dict(values)

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        return self._values.get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        return self._values


def _unknown_variables(variables: Mapping[str, str]) -> list[str]:
    faults: list[str] = []
    for name in variables:
        rest = name.removeprefix(PREFIX)
        if rest == name or rest in RESERVED or rest.startswith(RESERVED_PREFIXES):
            continue
        field = rest.split(DELIMITER)[0].lower()
        if field not in Settings.model_fields:
            hint = suggestion(field, Settings.model_fields)
            faults.append(f"variable {name!r} is no setting; {hint}")
    return faults


def _invalid(faults: list[str]) -> ConfigurationInvalid:
    text = "the configuration is invalid:\n" + "\n".join(f"  - {fault}" for fault in faults)
    return ConfigurationInvalid(text, hint="see `devbench config schema`", details={"faults": faults})
