"""The journal: the output of each command, numbered, in memory and behind it in the store."""
