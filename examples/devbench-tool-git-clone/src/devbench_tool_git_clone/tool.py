"""Clones a git repository into a container's workspace."""

from __future__ import annotations

import asyncio

from pydantic import Field

from devbench_core.errors import DevbenchError
from devbench_core.model.execution import Exec, ExecRequest
from devbench_core.tool import Tool, ToolContext, ToolHints, ToolInput, ToolOutput

TIMEOUT_S = 600.0
WAIT_S = 60.0
SAID_BYTES, SAID_CHUNKS = 4096, 20
NO_QUESTIONS = {"GIT_TERMINAL_PROMPT": "0"}

USER_HOST = r"(?:[^\s/@]+@)?[0-9A-Za-z\[][^\s/@]*"
URL = rf"^(?:(?:https?|ssh|git)://{USER_HOST}/\S+|file:///\S+|\w[\w.-]*@\w[\w.-]*:[^\s-]\S*)$"
FOLDER = r"^\w[\w.-]*(?:/\w[\w.-]*)*$"
BRANCH = r"^\w[\w./+-]*$"


class GitFailed(DevbenchError):
    """Git ended with an error; the message has its own words."""

    code = "git_failed"


class GitCloneInput(ToolInput):
    """What it is called with; nothing that begins with a hyphen gets to git as a word of its own."""

    container: str = Field(description="The container, by its id or alias; git must be in its image.")
    url: str = Field(
        max_length=2000,
        pattern=URL,
        description="The repository's address: https, ssh, git, file, or user@host:path.",
    )
    folder: str = Field(
        default="repository", max_length=200, pattern=FOLDER, description="A new folder in the workspace."
    )
    branch: str | None = Field(
        default=None,
        max_length=200,
        pattern=BRANCH,
        description="A branch or tag; absent, the repository's default.",
    )
    depth: int = Field(default=1, ge=1, le=1_000_000, description="How many commits of the history to fetch.")


class GitCloneOutput(ToolOutput):
    """What it answers."""

    folder: str = Field(description="Where the files are, relative to the workspace.")
    commit: str = Field(description="The commit that is checked out; empty when the repository is.")


async def git_clone(context: ToolContext, given: GitCloneInput) -> GitCloneOutput:
    """Run git in the container, without a shell: its arguments are a list."""
    branch = [f"--branch={given.branch}"] if given.branch else []
    options = ["--quiet", f"--depth={given.depth}", *branch]
    done, said = await _git(context, given.container, "clone", *options, "--", given.url, given.folder)
    if not _succeeded(done):
        reason = said or (done.ending.message if done.ending else "")
        raise GitFailed(f"git clone: {reason}", hint="look at the address, and whether the image has git")
    words = ("-C", given.folder, "rev-parse", "--verify", "--quiet", "HEAD")
    done, commit = await _git(context, given.container, *words)
    return GitCloneOutput(folder=given.folder, commit=commit if _succeeded(done) else "")


async def _git(context: ToolContext, container: str, *words: str) -> tuple[Exec, str]:
    """Return how git ended, and what it said last. A cancelled call leaves no git behind."""
    execs, caller = context.bench.execs, context.caller
    request = ExecRequest(argv=("git", *words), env=NO_QUESTIONS, timeout_s=TIMEOUT_S)
    done = await execs.start(container, request, caller=caller)
    try:
        while done.ending is None:
            done = await execs.wait(done.id, wait_s=WAIT_S, caller=caller)
    except asyncio.CancelledError:
        execs.end_soon(done.id)
        raise
    ends = await execs.ends(done.id, limit_bytes=SAID_BYTES, limit_chunks=SAID_CHUNKS, caller=caller)
    said = b"".join(chunk.data for chunk in (*ends.head, *ends.tail))
    return done, said.decode(errors="replace").strip()


def _succeeded(done: Exec) -> bool:
    return done.ending is not None and done.ending.exit_code == 0


TOOL = Tool(
    name="git_clone",
    title="Clone a git repository",
    description="Clones a repository into a new folder of a container's workspace, without its history unless "
    "`depth` asks for more. Use it to get a project's files before you read or build them.",
    input=GitCloneInput,
    output=GitCloneOutput,
    hints=ToolHints(read_only=False, destructive=False, idempotent=False, open_world=True),
    scope="exec",
    handler=git_clone,
)
