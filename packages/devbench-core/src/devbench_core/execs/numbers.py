"""Numbers that a command's request may have at most: the kernel's and the agent's, so not the configuration's."""

from __future__ import annotations

NOFILE_MAX = 1_048_576
CORE_MAX_BYTES = 2**40
NICE_MAX = 19
TERMINAL_SIDE_MAX = 4096
"""Columns or rows: more than any screen, and no bait for programs that draw all of it."""
