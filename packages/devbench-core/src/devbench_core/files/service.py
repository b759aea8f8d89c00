"""The use case of files: each operation is one intent and one request to the agent."""

from __future__ import annotations

from devbench_core.files.folders import Folders
from devbench_core.files.grepping import Grepping
from devbench_core.files.reading import Reading
from devbench_core.files.searching import Searching
from devbench_core.files.watching import Watching
from devbench_core.files.writing import Writing


class Files(Reading, Writing, Folders, Watching, Searching, Grepping):
    """Read and write files of workspaces.

    ``container`` is an id or a living container's alias. Paths are relative to the workspace, or absolute beneath
    ``/workspace``; symbolic links may wander inside but not out. Every method may raise `ValidationFailed`,
    `ContainerNotFound`, `ContainerExited`, `Vetoed`, `PathOutside`, `FileFailed`, `TimedOut` (the outcome of
    a change is then not known) and `AgentUnavailable` (likewise).
    """
