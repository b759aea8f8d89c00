"""The table ``[plugin.sql]``."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr


class SqlSettings(BaseModel):
    """Where the state lies and how it is reached."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    url: SecretStr | None = Field(
        default=None,
        description="SQLAlchemy URL, for example sqlite+aiosqlite:////var/lib/devbench/devbench.db or "
        "postgresql+asyncpg://devbench@db.example/devbench; devbench.db in the state folder when absent.",
    )
    busy_timeout_s: float = Field(
        default=10.0, gt=0, le=600, description="How long a call waits for another process's write."
    )
    synchronous: Literal["normal", "full"] = Field(
        default="normal",
        description="Of SQLite: `normal` survives the death of every process; `full` survives a power failure as "
        "well. PostgreSQL does as its server is configured.",
    )
    pool_size: int = Field(default=4, ge=1, le=64, description="Connections that read at once.")
    pool_overflow: int = Field(
        default=4, ge=0, le=64, description="PostgreSQL connections beside these while many calls read."
    )
    pool_recycle_s: float = Field(
        default=300.0, gt=0, le=86_400, description="An unused PostgreSQL connection is closed after so long."
    )
    pool_pre_ping: bool = Field(
        default=False,
        description="Whether a PostgreSQL connection is tried before each use; a read on a broken one is repeated "
        "anyway.",
    )
    connect_timeout_s: float = Field(
        default=10.0, gt=0, le=600, description="How long connecting to PostgreSQL may take."
    )
    statement_timeout_s: float = Field(
        default=30.0, gt=0, le=3600, description="How long PostgreSQL may take for one statement."
    )
    retries: int = Field(
        default=5,
        ge=0,
        le=100,
        description="How often a transaction is repeated that PostgreSQL ended, for another's sake or by a broken "
        "connection.",
    )
    lock_timeout_s: float = Field(
        default=5.0,
        gt=0,
        le=60,
        description='Of `lock = "sql"`: how long one answer of PostgreSQL may take, connecting included.',
    )
    lock_pool_size: int = Field(
        default=4,
        ge=1,
        le=64,
        description='Of `lock = "sql"`: PostgreSQL connections that ask at once; one more listens.',
    )
    lock_poll_s: float = Field(
        default=1.0,
        ge=0.05,
        le=30,
        description='Of `lock = "sql"`: how long a waiter relies on being woken before he looks for himself. One who '
        "died keeps his place in the queue for three times as long.",
    )
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
    maintenance_timeout_s: float = Field(
        default=3600.0,
        gt=0,
        le=604_800,
        description="How long one step of `devbench db` may take on PostgreSQL: to look a table through, to vacuum it, "
        "or to stand still while the other end of a dump is slow.",
    )
    cache_kib: int = Field(default=8192, ge=64, description="SQLite's page cache of each connection.")
