"""The small static program that runs as PID 1 of every devbench container."""
