"""Outputs of commands as resources: listed, read, and followed by those who subscribe."""
