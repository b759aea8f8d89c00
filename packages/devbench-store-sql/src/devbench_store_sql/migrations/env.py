"""Runs migrations on the connection that is handed over, or writes them out as SQL for PostgreSQL."""

from alembic import context

from devbench_store_sql.tables import metadata

if context.is_offline_mode():
    # Whoever asked runs it in a transaction of his own.
    context.configure(dialect_name="postgresql", transactional_ddl=False, target_metadata=metadata)
else:
    context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
