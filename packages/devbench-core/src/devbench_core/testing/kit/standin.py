"""The program that stands in for the agent where a test needs endings and bytes that the real one never gives.

The agent itself cannot take its place: it never exits with a code of its own, ignores no TERM, never eats the memory of
its container, and echoes nothing; a switch for that would be a weapon in every container.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from devbench_core.contracts.runtime import AgentProgram
from devbench_core.testing.kit.compiling import compiled


def standin_for_the_agent(folder: Path) -> AgentProgram:
    """Compile it into a folder."""
    program = compiled("standin", folder)
    return AgentProgram(path=program, digest=hashlib.sha256(program.read_bytes()).hexdigest())
