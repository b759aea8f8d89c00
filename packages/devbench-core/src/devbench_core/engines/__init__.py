"""What runtimes share that speak with an engine over HTTP: the stream to a process, the ways to an agent, its volume.

A runtime of this kind fulfils `calls.EngineCalls`, and `connecting`, `guests`, `agents` and `sweep` work on it.
"""
