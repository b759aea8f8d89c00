"""Measurements against the raw engines; run by `nox -s bench`."""
