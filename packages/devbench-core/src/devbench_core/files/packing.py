"""Archives in files of the workspace: made of what is there, or unpacked, without leaving the container's host."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing

from devbench_core.files.archiving import Importing
from devbench_core.files.exporting import Exporting
from devbench_core.files.paths import Path
from devbench_core.files.streaming import Streaming
from devbench_core.model.archive import ArchiveFormat, Imported, SetId
from devbench_core.model.caller import LOCAL, Caller
from devbench_core.model.file import FileWritten


class Packing(Importing, Exporting, Streaming):
    """Archives in files of the workspace."""

    async def export_file(
        self,
        container: str,
        path: Path,
        target: Path,
        *,
        format: ArchiveFormat | str,  # noqa: A002 - as it is called everywhere
        ignore: Sequence[str] = (),
        caller: Caller = LOCAL,
    ) -> FileWritten:
        """Write a folder, or a file, as an archive to a file that is not there yet.

        It appears when it is complete, so it is never in itself. Otherwise as `export_archive` and `write_stream`.

        Raises:
            FileConflict: Something is at the target, or a file does not stop changing.
            TooLarge: Also: the archive is over ``files.stream_max_bytes``.
        """
        pieces = self.export_archive(container, path, format=format, ignore=ignore, caller=caller)
        async with self._pair(container, caller), aclosing(pieces):
            return await self.write_stream(
                container, target, pieces, if_none_match=True, parents=True, caller=caller
            )

    async def import_file(
        self,
        container: str,
        path: Path,
        source: Path,
        *,
        format: ArchiveFormat | str,  # noqa: A002 - as it is called everywhere
        overwrite: bool = True,
        set_id: SetId | str = SetId.DROP,
        caller: Caller = LOCAL,
    ) -> Imported:
        """Unpack an archive that is a file of the workspace; otherwise as `import_archive`.

        Raises:
            FileConflict: Also: the archive was changed meanwhile; nothing was unpacked then.
        """
        async with (
            self._pair(container, caller),
            self.read_stream(container, source, caller=caller) as stream,
        ):
            return await self.import_archive(
                container, path, stream, format=format, overwrite=overwrite, set_id=set_id, caller=caller
            )
