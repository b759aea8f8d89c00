"""Where commands go: the core in this process, or a remote host."""
