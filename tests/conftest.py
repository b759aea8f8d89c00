"""Fixtures of the whole-system tests live beside them; those that every package shares are in the root conftest."""
