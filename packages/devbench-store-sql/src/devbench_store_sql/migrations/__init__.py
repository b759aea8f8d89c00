"""Alembic migrations; each is a step from one schema to the next."""
