"""SQLite (and later PostgreSQL) state store of devbench."""
