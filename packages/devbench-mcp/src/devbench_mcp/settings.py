"""The table ``[mcp]`` of the configuration."""

import ipaddress
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from devbench_core.config.faults import explain
from devbench_core.errors import ConfigurationInvalid

TOKEN_MIN_CHARS = 16
Scope = Literal["read", "exec", "write", "manage"]
ALL_SCOPES: tuple[Scope, ...] = ("read", "exec", "write", "manage")


class CallerSettings(BaseModel):
    """Who a client is, and what it may do."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    tenant: str = Field(
        default="default", min_length=1, max_length=100, description="Whose containers it sees and makes."
    )
    subject: str = Field(
        default="local", min_length=1, max_length=100, description="Who it is within the tenant, for records."
    )
    scopes: tuple[Scope, ...] = Field(
        default=ALL_SCOPES, description="What it may do: `read`, `exec`, `write`, `manage`."
    )


class TokenSettings(CallerSettings):
    """A bearer token and the caller that it stands for; exactly one of the three ways to give the token."""

    token: SecretStr | None = Field(default=None, description="The token itself; prefer the other two.")
    token_env: str | None = Field(default=None, description="Name of the variable that holds the token.")
    token_file: Path | None = Field(default=None, description="File that holds the token.")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        ways = [way for way in (self.token, self.token_env, self.token_file) if way is not None]
        if len(ways) != 1:
            raise ValueError("give exactly one of token, token_env, token_file")
        return self

    def secret(self) -> SecretStr:
        """Return the token; reads a file, so call it before serving.

        Raises:
            ConfigurationInvalid: The variable is not set, the file cannot be read, or the token is too short.
        """
        text = self._read().strip()
        if len(text) < TOKEN_MIN_CHARS:
            raise ConfigurationInvalid(
                f"the token of {self.subject!r} in mcp.tokens is shorter than {TOKEN_MIN_CHARS} characters",
                hint="make one with: openssl rand -hex 32",
            )
        return SecretStr(text)

    def _read(self) -> str:
        if self.token is not None:
            return self.token.get_secret_value()
        if self.token_env is not None:
            if self.token_env not in os.environ:
                raise ConfigurationInvalid(f"variable {self.token_env!r} of mcp.tokens is not set")
            return os.environ[self.token_env]
        try:
            return Path(self.token_file or "").read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationInvalid(
                f"token_file of {self.subject!r} in mcp.tokens cannot be read: {error}"
            ) from error


class McpSettings(BaseModel):
    """Settings of the MCP and HTTP host."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    host: str = Field(
        default="127.0.0.1",
        min_length=1,
        description="Address to listen on. Anything but a loopback address needs at least one token.",
    )
    port: int = Field(default=8765, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    tokens: tuple[TokenSettings, ...] = Field(
        default=(),
        description="Bearer tokens, each with its caller. Once there is one, HTTP requests need one.",
    )
    local: CallerSettings = Field(
        default_factory=CallerSettings,
        description="Who a client is that needs no token: over stdio, or over HTTP when there are no tokens.",
    )
    allowed_hosts: tuple[str, ...] = Field(
        default=(),
        description="Names in the Host header that are served beside the address itself; `name` or `name:port`.",
    )
    allowed_origins: tuple[str, ...] = Field(
        default=(),
        description="Origins of web pages that may call, for example `https://ui.example.com`; none by default.",
    )
    grace_s: float = Field(
        default=10.0,
        gt=0,
        le=600,
        description="From TERM to the end of the process, whatever clients hold open.",
    )
    max_body_bytes: int = Field(
        default=4 * 1024 * 1024, ge=64 * 1024, le=256 * 1024 * 1024, description="Size of one request."
    )
    max_sessions: int = Field(
        default=1000, ge=1, description="How many sessions of older clients may be open at once."
    )
    session_idle_s: float = Field(
        default=1800.0, gt=0, description="A session without any request for so long is closed."
    )
    keep_alive_s: float = Field(
        default=10.0,
        ge=0.1,
        le=100,
        description=(
            "In an answer that takes long a sign of life is sent so often, by which clients see that their host works; "
            "`devbench --url` gives a connection up when three of them are missing, or after `--silent-after` when "
            "that is longer."
        ),
    )
    probe_timeout_s: float = Field(
        default=3.0, gt=0, le=60, description="How long `/readyz` waits for store, lock and runtime."
    )

    update_every_s: float = Field(
        default=0.5,
        ge=0.1,
        le=60,
        description="The least time between two notifications that a command's output has grown.",
    )
    subscriptions_max: int = Field(
        default=1000, ge=1, le=1000, description="How many resources one client, or one stream, may follow."
    )
    task_after_s: float = Field(
        default=0.0,
        ge=0,
        le=60,
        description=(
            "A `run` of a client that knows tasks is answered with one once its command has run so long; those "
            "that end earlier are answered directly. 0 answers at once."
        ),
    )
    task_slow_after_s: float = Field(
        default=1.0,
        ge=0,
        le=60,
        description=(
            "The same for `shell_run`, `exec_wait` and `spawn`, most of which take no longer; those that would wait no "
            "longer anyway are answered directly."
        ),
    )
    task_poll_s: float = Field(
        default=1.0, ge=0.1, le=60, description="How often a client is told to ask for its task."
    )
    task_retention_s: float = Field(
        default=86400.0,
        ge=60,
        le=31_536_000,
        description=(
            "How long a task is kept after its end, while its container is known, and of a command no longer than "
            "`execs.retain_s`."
        ),
    )

    public_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^/?#\s]+(/[^?#\s]*[^/?#\s])?$",
        description=(
            "Address under which clients reach this host, for links that it gives; absent: as the client asked."
        ),
    )
    link_ttl_s: float = Field(
        default=300.0, ge=1, le=86400, description="How long a link to a file or archive is valid."
    )
    link_idle_s: float = Field(
        default=60.0,
        ge=0.1,
        le=3600,
        description="How long a client of a link may send or take nothing before its transfer is ended.",
    )
    link_key: SecretStr | None = Field(
        default=None,
        min_length=32,
        description=(
            "What links are signed with; hosts that stand for each other need the same. Absent: made at each start."
        ),
    )

    @property
    def on_loopback(self) -> bool:
        """Whether only programs on this machine can connect."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def mcp_settings(table: Mapping[str, object], **overrides: object) -> McpSettings:
    """Validate the table ``[mcp]``.

    Args:
        table: As in the configuration.
        overrides: Values that win, as from command-line options; None counts for nothing.

    Raises:
        ConfigurationInvalid: With every fault; no value is shown.
    """
    values = {**table, **{key: value for key, value in overrides.items() if value is not None}}
    try:
        return McpSettings.model_validate(values)
    except ValidationError as error:
        faults = explain(error, McpSettings, "mcp")
        text = "the configuration is invalid:\n" + "\n".join(f"  - {fault}" for fault in faults)
        raise ConfigurationInvalid(
            text, hint="see `devbench config schema`", details={"faults": faults}
        ) from None
