"""Who may use a database: the oldest schema whose code still works with it. Each upgrade writes its own."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None
oldest = "0002"


def upgrade() -> None:
    """Make the table, with its one row."""
    table = op.create_table("schema_rule", sa.Column("oldest", sa.String(32), primary_key=True))
    op.bulk_insert(table, [{"oldest": oldest}])
