"""The first schema: records, the words they are found by, and logs."""

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
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("data", sa.JSON, nullable=False),
        sa.Column("words", sa.JSON, nullable=False),
    )
    op.create_table(
        "record_terms",
        sa.Column("kind", sa.String(200), primary_key=True),
        sa.Column("term", sa.String(512), primary_key=True),
        sa.Column("key", sa.String(200), primary_key=True),
        sa.ForeignKeyConstraint(["kind", "key"], ["records.kind", "records.key"], ondelete="CASCADE"),
    )
    op.create_index("record_terms_by_key", "record_terms", ["kind", "key"])
    op.create_table(
        "logs",
        sa.Column("log", sa.String(200), primary_key=True),
        sa.Column("seq", sa.Integer, primary_key=True),
        sa.Column("data", sa.LargeBinary, nullable=False),
    )
