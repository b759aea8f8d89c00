"""Persistent shells from the command line: following a run, and passing input on to it."""
