"""Seeded faults: each is a plausible mistake of a plugin's author, and the kit must catch it."""
