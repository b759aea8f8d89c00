"""The first schema: records, the terms they are found by, and logs."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None
oldest = "0001"


def _text(length: int) -> sa.types.TypeEngine[str]:
    """Text in the order of code points, which is SQLite's own."""
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "records",
        sa.Column("kind", _text(200), primary_key=True),
        sa.Column("key", _text(200), primary_key=True),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("data", sa.Text, nullable=False),
        sa.Column("terms", sa.Text, nullable=False),
    )
    op.create_table(
        "record_terms",
        sa.Column("kind", _text(200), primary_key=True),
        sa.Column("term", _text(1000), primary_key=True),
        sa.Column("key", _text(200), primary_key=True),
        sa.ForeignKeyConstraint(["kind", "key"], ["records.kind", "records.key"], ondelete="CASCADE"),
        sqlite_with_rowid=False,
    )
    op.create_index("record_terms_by_key", "record_terms", ["kind", "key"])
    op.create_table(
        "logs",
        sa.Column("log", _text(200), primary_key=True),
        sa.Column("seq", sa.BigInteger, primary_key=True),
        sa.Column("data", sa.LargeBinary, nullable=False),
    )
