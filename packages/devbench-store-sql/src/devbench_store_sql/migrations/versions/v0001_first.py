"""The first schema: records, the terms they are found by, and logs."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "records",
        sa.Column("kind", sa.String(200), primary_key=True),
        sa.Column("key", sa.String(200), primary_key=True),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("data", sa.Text, nullable=False),
        sa.Column("terms", sa.Text, nullable=False),
    )
    op.create_table(
        "record_terms",
        sa.Column("kind", sa.String(200), primary_key=True),
        sa.Column("term", sa.String(1000), primary_key=True),
        sa.Column("key", sa.String(200), primary_key=True),
        sa.ForeignKeyConstraint(["kind", "key"], ["records.kind", "records.key"], ondelete="CASCADE"),
        sqlite_with_rowid=False,
    )
    op.create_index("record_terms_by_key", "record_terms", ["kind", "key"])
    op.create_table(
        "logs",
        sa.Column("log", sa.String(200), primary_key=True),
        sa.Column("seq", sa.BigInteger, primary_key=True),
        sa.Column("data", sa.LargeBinary, nullable=False),
    )
