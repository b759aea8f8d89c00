"""Signed, short-lived addresses for large files and archives, and the route that serves them."""
