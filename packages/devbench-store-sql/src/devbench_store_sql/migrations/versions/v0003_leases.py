"""Leases of locks, and those who wait for them: on PostgreSQL alone, since SQLite keeps no locks."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None
oldest = "0002"


def _text(length: int) -> sa.types.TypeEngine[str]:
    return sa.String(length, collation="C")


def upgrade() -> None:
    """Make the tables."""
    if op.get_context().dialect.name != "postgresql":
        return
    op.create_table(
        "lock_leases",
        sa.Column("key", _text(200), primary_key=True),
        sa.Column("owner", _text(200), nullable=False),
        sa.Column("token", sa.BigInteger, nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "lock_waiters",
        sa.Column("owner", _text(200), primary_key=True),
        sa.Column("key", _text(200), nullable=False),
        sa.Column("place", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("alive_until", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("lock_waiters_by_place", "lock_waiters", ["key", "place"])
