"""The agent's binary, in a folder that the containers' user can read, one a digest."""

from __future__ import annotations

import hashlib
import re
import secrets
import shutil
from pathlib import Path

from devbench_core.contracts.runtime import AGENT_PATH, AgentProgram
from devbench_core.errors import AgentUnavailable
from devbench_runtime_bubblewrap.deletion import discard
from devbench_runtime_bubblewrap.folders import Folders, older_than

UNUSED_S = 24 * 3600.0
FOLDER_MODE = 0o755
PROGRAM_MODE = 0o555


def provide_agent(folders: Folders, agent: AgentProgram) -> str:
    """Make sure that an agent is there and return its folder's name; blocking.

    Raises:
        AgentUnavailable: The file is missing or is not what its digest says.
    """
    if not re.fullmatch(r"[0-9a-f]{64}", agent.digest):
        raise AgentUnavailable("the agent's digest is no SHA-256", hint="install devbench-agent again")
    home = folders.agents / agent.digest
    if (home / AGENT_PATH.name).exists():
        return agent.digest
    new = folders.incoming / f"agent.{secrets.token_hex(6)}"
    new.mkdir(mode=FOLDER_MODE)
    try:
        _copy(agent, new / AGENT_PATH.name)
        new.chmod(FOLDER_MODE)
        _move(new, home)
    finally:
        discard(new, folders.trash)
    return agent.digest


def _copy(agent: AgentProgram, target: Path) -> None:
    try:
        shutil.copyfile(agent.path, target)
    except FileNotFoundError as error:
        raise AgentUnavailable(f"there is no agent at {agent.path}", hint="install devbench-agent") from error
    found = hashlib.sha256(target.read_bytes()).hexdigest()
    if found != agent.digest:
        raise AgentUnavailable(f"the agent at {agent.path} is not the one that was meant", hint="try again")
    target.chmod(PROGRAM_MODE)


def _move(new: Path, home: Path) -> None:
    try:
        new.rename(home)
    except OSError:
        if not home.is_dir():
            raise  # else another host was first


def sweep_agents(folders: Folders, used: set[str]) -> None:
    """Remove old agents that no container uses; a young one may be meant for one that is being made. Blocking."""
    for home in folders.agents.iterdir():
        if home.name not in used and older_than(home, UNUSED_S):
            discard(home, folders.trash)
