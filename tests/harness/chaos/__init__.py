"""Hosts under load, what goes wrong beneath them, and who compares promises with what is there."""
