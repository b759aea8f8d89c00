"""An agent with a workspace and further roots."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from agent_process import Agent, StartAgent
from agent_wire import Channel, FileError

OPTIONS = {"kernel": (), "by hand": ("--no-openat2", "--no-renameat2")}
NO_ROOT = 25


@dataclass
class Roots:
    """Where an agent works.

    Attributes:
        host: A channel to it.
        agent: Itself.
        workspace: Its workspace, whose paths are relative.
        second: Another root, whose paths begin with its own.
        absent: A third one, which nobody has made.
    """

    host: Channel
    agent: Agent
    workspace: Path
    second: Path
    absent: Path


def start_with_roots(start_agent: StartAgent, way: str, *roots: Path, name: str = "agent") -> Agent:
    """Start an agent that has these further roots."""
    words = [word for root in roots for word in ("--root", str(root))]
    return start_agent(*OPTIONS[way], *words, name=name)


def refusal(use: Callable[[], object]) -> tuple[int, int]:
    """Return the code and the number of the error that a call comes to."""
    try:
        use()
    except FileError as error:
        return error.code, error.errno
    raise AssertionError("it was not refused")
