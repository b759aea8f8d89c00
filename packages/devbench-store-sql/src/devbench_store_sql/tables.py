"""The tables. Migrations make them; a test compares both.

Text is ordered by code point (SQLite's binary collation), as the contract's order of keys wants it.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    ForeignKeyConstraint,
    Identity,
    Index,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

from devbench_core.contracts.checks import NAME_MAX, TERM_MAX

metadata = MetaData()

records = Table(
    "records",
    metadata,
    Column("kind", String(NAME_MAX), primary_key=True),
    Column("key", String(NAME_MAX), primary_key=True),
    Column("revision", BigInteger, nullable=False),
    Column("data", Text, nullable=False),
    Column("terms", Text, nullable=False),  # the terms once more, so that a read is one statement
)

record_terms = Table(
    "record_terms",
    metadata,
    Column("kind", String(NAME_MAX), primary_key=True),
    Column("term", String(TERM_MAX), primary_key=True),
    Column("key", String(NAME_MAX), primary_key=True),
    ForeignKeyConstraint(["kind", "key"], ["records.kind", "records.key"], ondelete="CASCADE"),
    Index("record_terms_by_key", "kind", "key"),
    sqlite_with_rowid=False,
)

logs = Table(
    "logs",
    metadata,
    Column("log", String(NAME_MAX), primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    Column("data", LargeBinary, nullable=False),
)

schema_rule = Table("schema_rule", metadata, Column("oldest", String(32), primary_key=True))

locks = MetaData()
"""On PostgreSQL alone."""

Table(
    "lock_leases",
    locks,
    Column("key", String(NAME_MAX), primary_key=True),
    Column("owner", String(NAME_MAX), nullable=False),
    Column("token", BigInteger, nullable=False),
    Column("ends_at", DateTime(timezone=True), nullable=False),
)
Table(
    "lock_waiters",
    locks,
    Column("owner", String(NAME_MAX), primary_key=True),
    Column("key", String(NAME_MAX), nullable=False),
    Column("place", BigInteger, Identity(always=True), nullable=False),
    Column("alive_until", DateTime(timezone=True), nullable=False),
    Index("lock_waiters_by_place", "key", "place"),
)
