"""The command line of devbench."""
