"""The use case of files: each operation is one intent and one request to the agent."""

from __future__ import annotations

from devbench_core.files.archiving import Importing
from devbench_core.files.batching import Batching
from devbench_core.files.exporting import Exporting
from devbench_core.files.folders import Folders
from devbench_core.files.grepping import Grepping
from devbench_core.files.modes import Modes
from devbench_core.files.moving import Moving
from devbench_core.files.packing import Packing
from devbench_core.files.reading import Reading
from devbench_core.files.searching import Searching
from devbench_core.files.streaming import Streaming
from devbench_core.files.watching import Watching
from devbench_core.files.writing import Writing


class Files(
    Reading,
    Writing,
    Folders,
    Moving,
    Modes,
    Batching,
    Packing,
    Importing,
    Exporting,
    Streaming,
    Watching,
    Searching,
    Grepping,
):
    """Read and write files of workspaces.

    ``container`` is an id or a living container's alias. Paths are relative to the workspace, or absolute beneath
    ``/workspace`` or one of the container's ``policy.file_roots``; symbolic links may wander inside but not out. Every
    method may raise `ValidationFailed`, `ContainerNotFound`, `ContainerExited`, `Vetoed`, `PathOutside`,
    `FileFailed`, `TimedOut` (the outcome of a change is then not known) and `AgentUnavailable` (likewise).
    """
