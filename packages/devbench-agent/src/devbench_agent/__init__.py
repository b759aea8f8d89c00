"""The program that runs as PID 1 of every devbench container, and what hosts need to know about it.

The program itself is in C; this package only carries it. It depends on nothing.
"""

from __future__ import annotations

from devbench_agent.program import ARCHITECTURES, AgentBinaryMissing, available, binary, digest, native

PROTOCOL_VERSION = (1, 0)
"""Major and minor of the protocol that the carried program speaks."""

__all__ = [
    "ARCHITECTURES",
    "PROTOCOL_VERSION",
    "AgentBinaryMissing",
    "available",
    "binary",
    "digest",
    "native",
]
