"""The tables. Migrations make them; a test compares both."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
)

NAME = 200
metadata = MetaData()

records = Table(
    "records",
    metadata,
    Column("kind", String(NAME), primary_key=True),
    Column("key", String(NAME), primary_key=True),
    Column("revision", Integer, nullable=False),
    Column("data", JSON, nullable=False),
    Column("words", JSON, nullable=False),  # the same terms once more, so that a read is one statement
)

terms = Table(
    "record_terms",
    metadata,
    Column("kind", String(NAME), primary_key=True),
    Column("term", String(512), primary_key=True),
    Column("key", String(NAME), primary_key=True),
    ForeignKeyConstraint(["kind", "key"], ["records.kind", "records.key"], ondelete="CASCADE"),
    Index("record_terms_by_key", "kind", "key"),
)

logs = Table(
    "logs",
    metadata,
    Column("log", String(NAME), primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("data", LargeBinary, nullable=False),
)
