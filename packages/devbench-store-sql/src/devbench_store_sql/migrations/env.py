"""Runs migrations on the connection that `devbench_store_sql.migrate` hands over."""

from alembic import context

from devbench_store_sql.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
