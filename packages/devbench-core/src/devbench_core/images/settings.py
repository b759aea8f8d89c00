"""The operator's word on images."""

import os
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from devbench_core.errors import ConfigurationInvalid, ValidationFailed


class Registry(BaseModel):
    """Credentials for one registry; exactly one of the three ways to give the password."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    registry: str = Field(description="Host of the registry, with its port if it has one.")
    username: str = Field(description="User name.")
    password: SecretStr | None = Field(default=None, description="The password itself; prefer the other two.")
    password_env: str | None = Field(
        default=None, description="Name of the variable that holds the password."
    )
    password_file: Path | None = Field(default=None, description="File that holds the password.")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        ways = [way for way in (self.password, self.password_env, self.password_file) if way is not None]
        if len(ways) != 1:
            raise ValueError("give exactly one of password, password_env, password_file")
        return self

    @field_validator("registry")
    @classmethod
    def _host(cls, value: str) -> str:
        return _registry(value)

    def secret(self) -> SecretStr:
        """Return the password.

        Raises:
            ConfigurationInvalid: The variable is not set or the file cannot be read.
        """
        if self.password is not None:
            return self.password
        if self.password_env is not None:
            if self.password_env not in os.environ:
                raise ConfigurationInvalid(
                    f"variable {self.password_env!r} for registry {self.registry!r} is not set",
                    hint="set it, or name another one in images.registries",
                )
            return SecretStr(os.environ[self.password_env])
        try:
            return SecretStr(Path(self.password_file or "").read_text(encoding="utf-8").strip())
        except OSError as error:
            raise ConfigurationInvalid(
                f"password_file of registry {self.registry!r} cannot be read: {error.strerror}",
                hint="look at its path and rights",
            ) from error


class ImageSettings(BaseModel):
    """Which images may be used, what short names mean, and when they are pulled."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    default: str = Field(
        default="", description="Image of a spawn that names none; empty for the runtime's own."
    )
    aliases: dict[str, str] = Field(
        default_factory=dict[str, str], description="Short names and the references that they stand for."
    )
    default_registry: str = Field(default="docker.io", description="Registry of references that name none.")
    allow: tuple[str, ...] = Field(
        default=("*",),
        description="Patterns (shell style) over the full name (docker.io/ and docker.io/library/ may be left "
        "out); an image that matches none is refused. End a registry with a slash: registry.example.org/*.",
    )
    pin_digests: bool = Field(
        default=False, description="Refuse an image whose repository digest is unknown; record the digest."
    )
    pull_policy: Literal["never", "missing", "always"] = Field(
        default="missing",
        description="When to pull: never, when the engine lacks the image, or at each resolution.",
    )
    registries: tuple[Registry, ...] = Field(default=(), description="Credentials, one entry a registry.")
    cache_ttl_s: float = Field(default=3600.0, ge=0, description="How long a resolution is remembered.")
    cache_size: int = Field(default=1024, ge=1, description="How many resolutions are remembered.")

    @field_validator("default_registry")
    @classmethod
    def _host(cls, value: str) -> str:
        return _registry(value)


def _registry(value: str) -> str:
    from devbench_core.images.reference import check_registry  # few configurations name one

    try:
        return check_registry(value)
    except ValidationFailed as error:
        raise ValueError(f"{value[:80]!r} is no registry host like registry.example.org:5000") from error
