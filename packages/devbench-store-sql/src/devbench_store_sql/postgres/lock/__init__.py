"""The lock: leases in a table."""
