"""Typing at a command from this process's own terminal or pipe."""
