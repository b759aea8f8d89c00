"""What variables say of the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict

from devbench_core.config.load import DELIMITER, PREFIX
from devbench_core.config.settings import Settings


class _Named(Settings, BaseSettings):
    """The settings, as variables name them."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_nested_delimiter=DELIMITER)


class _Variables(EnvSettingsSource):
    """Reads the variables that it is given, not the process's."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = {name.lower(): value for name, value in variables.items()}
        super().__init__(_Named)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return self._variables


def values_of(variables: Mapping[str, str]) -> dict[str, Any]:
    """Return what the variables say, nested as in a file; nothing is validated yet.

    Raises:
        ValueError: One that stands for a table or a list is no JSON; names the setting.
    """
    return _Variables(variables)()
