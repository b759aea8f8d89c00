"""Calls that only the host can serve which follows something: they are handed to it through the store."""
