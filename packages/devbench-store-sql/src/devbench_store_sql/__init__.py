"""SQLite (and later PostgreSQL) state store of devbench."""

from devbench_store_sql.plugin import plugin

__all__ = ["plugin"]
