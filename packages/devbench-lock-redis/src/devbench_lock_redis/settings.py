"""The table ``[plugin.redis]``."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, FilePath, SecretStr


class RedisSettings(BaseModel):
    """Which server keeps the locks, and how long to wait for it."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    url: SecretStr | None = Field(
        default=None,
        description="Address: `redis://[USER:PASSWORD@]HOST[:PORT][/DB]`, the same with `rediss://` for TLS, or "
        "`unix://[USER:PASSWORD@]/PATH[?db=DB]`. What is reserved in URLs is percent-encoded. "
        "`redis://localhost:6379/0` when absent.",
    )
    username: str | None = Field(default=None, description="User of Redis's ACL; wins over the URL's.")
    password: SecretStr | None = Field(default=None, description="Password; wins over the URL's.")
    tls_ca_file: FilePath | None = Field(
        default=None,
        description="Certificates that the server's is checked against with `rediss://`; the system's when absent.",
    )
    tls_cert_file: FilePath | None = Field(
        default=None, description="Certificate to show to the server with `rediss://`."
    )
    tls_key_file: FilePath | None = Field(default=None, description="Key of that certificate.")
    prefix: str = Field(
        default="devbench:lock:",
        min_length=1,
        max_length=200,
        description="What all keys and channels begin with. Hosts share their locks when server, database and this "
        "are the same.",
    )
    connect_timeout_s: float = Field(
        default=2.0, gt=0, le=60, description="How long connecting may take, TLS included."
    )
    command_timeout_s: float = Field(
        default=2.0, gt=0, le=60, description="How long the server may take to answer a command."
    )
    retries: int = Field(
        default=2,
        ge=0,
        le=10,
        description="How often a command is tried again whose connection failed or whose answer did not come.",
    )
    pool_size: int = Field(
        default=8,
        ge=1,
        le=256,
        description="Commands under way at once, each on its connection; one more listens.",
    )
    pool_timeout_s: float = Field(
        default=5.0, gt=0, le=60, description="How long a command waits for one of these connections."
    )
    poll_s: float = Field(
        default=1.0,
        ge=0.05,
        le=30,
        description="How long a waiter relies on being woken before he looks for himself. One who died keeps his "
        "place in the queue for three times as long.",
    )
