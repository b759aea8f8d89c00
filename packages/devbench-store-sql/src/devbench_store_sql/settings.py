"""The table ``[plugin.sql]``."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr


class SqlSettings(BaseModel):
    """Where the state lies and how it is reached."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: SecretStr | None = Field(
        default=None,
        description="SQLAlchemy URL, for example sqlite+aiosqlite:////var/lib/devbench/devbench.db; "
        "devbench.db in the state folder when absent.",
    )
    busy_timeout_s: float = Field(
        default=10.0, gt=0, le=600, description="How long a call waits for another process's write."
    )
    synchronous: Literal["normal", "full"] = Field(
        default="normal",
        description="`normal` survives the death of every process; `full` survives a power failure as well.",
    )
    pool_size: int = Field(default=4, ge=1, le=64, description="Connections that read at once.")
    pool_timeout_s: float = Field(
        default=10.0, gt=0, le=600, description="How long a read waits for one of these connections."
    )
    write_queue: int = Field(
        default=1000, ge=1, le=100_000, description="Writes that wait in this process; more wait to wait."
    )
    write_queue_timeout_s: float = Field(
        default=30.0, gt=0, le=600, description="How long a write waits for a place in that queue."
    )
    write_batch: int = Field(
        default=64, ge=1, le=1000, description="Waiting writes that are committed together at most."
    )
    migration_timeout_s: float = Field(
        default=60.0, gt=0, le=3600, description="How long start-up waits for another process that migrates."
    )
    cache_kib: int = Field(default=8192, ge=64, description="SQLite's page cache of each connection.")
