"""The use case of files."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import PurePosixPath

import attrs

from devbench_core.channel.link import AgentLink
from devbench_core.clock import Clock
from devbench_core.files.settings import FileLimits
from devbench_core.model.caller import LOCAL, Caller
from devbench_core.model.container import Container
from devbench_core.model.event import Event, Request, Veto
from devbench_core.model.file import FileContent, FileInfo, FileListing, FileWritten

Path = str | PurePosixPath


@attrs.frozen(kw_only=True, eq=False)
class FileContext:
    """The collaborators of `Files`; as in `ExecContext`. ``resolve`` notes the use of the container."""

    clock: Clock
    limits: FileLimits
    resolve: Callable[[str, Caller], Awaitable[Container]]
    link: Callable[[Container], Awaitable[AgentLink]]
    review: Callable[[Request], Veto | None]
    emit: Callable[[Event], None]


class Files:
    """Read and write files of workspaces."""

    def __init__(self, context: FileContext) -> None:
        self._context = context

    async def read(
        self,
        container: str,
        path: Path,
        *,
        offset: int = 0,
        max_bytes: int | None = None,
        caller: Caller = LOCAL,
    ) -> FileContent:
        """Read a file."""
        raise NotImplementedError

    async def write(
        self,
        container: str,
        path: Path,
        data: bytes,
        *,
        if_match: str | None = None,
        if_none_match: bool = False,
        mode: int | None = None,
        parents: bool = False,
        caller: Caller = LOCAL,
    ) -> FileWritten:
        """Write a file."""
        raise NotImplementedError

    async def list(
        self,
        container: str,
        path: Path = ".",
        *,
        after: str = "",
        limit: int | None = None,
        caller: Caller = LOCAL,
    ) -> FileListing:
        """List a folder."""
        raise NotImplementedError

    async def stat(self, container: str, path: Path, *, caller: Caller = LOCAL) -> FileInfo:
        """Describe what is at a path."""
        raise NotImplementedError

    async def delete(
        self,
        container: str,
        path: Path,
        *,
        recursive: bool = False,
        if_match: str | None = None,
        caller: Caller = LOCAL,
    ) -> None:
        """Delete a file or folder."""
        raise NotImplementedError

    async def mkdir(
        self, container: str, path: Path, *, parents: bool = False, caller: Caller = LOCAL
    ) -> FileInfo:
        """Make a folder."""
        raise NotImplementedError
