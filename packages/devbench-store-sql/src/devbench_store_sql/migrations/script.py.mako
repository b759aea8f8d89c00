"""${message}"""

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None
oldest = "the oldest schema whose code works with this one; see `devbench_store_sql.migrate`"
