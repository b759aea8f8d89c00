"""Writes single files of a backend, of any size and in constant memory."""

from __future__ import annotations

from base64 import b64encode
from contextlib import aclosing

import attrs

from devbench_cli.backends.archives import first_of, joined
from devbench_cli.backends.linking import link_to
from devbench_cli.backends.local import CALLER, LocalBackend
from devbench_cli.backends.outgoing import Outgoing, Sending
from devbench_cli.backends.protocol import Backend, ask
from devbench_cli.places import InContainer
from devbench_core.errors import DevbenchError, FileConflict, FileMissing
from devbench_core.tools.base import BASE64_MAX_BYTES
from devbench_core.tools.file_views import FileView
from devbench_core.tools.files import FsStatOutput, FsWriteOutput
from devbench_core.tools.path_text import given

OVERTAKEN_MAX = 3
"""So often a write begins anew because somebody else has written meanwhile."""


async def write_file(
    backend: Backend, container: str, path: str, content: Outgoing, mode: str | None
) -> FileView:
    """Write a whole file from a stream: it appears at its end, or nothing was changed.

    One that is too large for a message is sent again when the connection was lost, and can never be done twice.

    Args:
        backend: Where.
        container: Which one.
        path: As tools take it; missing folders are made.
        content: The content.
        mode: Permission bits in octal; None keeps them.

    Raises:
        TooLarge: It is over the limit of the host, or fits no message and the host gives no links.
        OutcomeUnknown: All was sent, no answer came, and the file was changed: by this, or by somebody else.
    """
    if isinstance(backend, LocalBackend):
        number = None if mode is None else int(mode, 8)
        async with aclosing(content.read()) as stream:
            written = await backend.bench.files.write_stream(
                container, given(path), stream, mode=number, parents=True, caller=CALLER
            )
        return FileView.of(written.info)
    pieces = content.read()
    head, is_all = await first_of(pieces, BASE64_MAX_BYTES)
    if not is_all:
        sending = Sending(backend=backend, content=content, pieces=joined(head, pieces), what="the content")
        return await _Upload(sending, InContainer(container, path), mode).run()
    text = b64encode(head).decode("ascii")
    answer = await ask(
        backend,
        FsWriteOutput,
        "fs_write",
        container=container,
        path=path,
        base64=text,
        mode=mode,
        parents=True,
    )
    return answer.file


@attrs.define
class _Upload:
    """A file on its way to a link."""

    sending: Sending
    place: InContainer
    mode: str | None

    async def run(self) -> FileView:
        """Send it until it is there.

        Each try has the condition that the file is what it was before the first one, so at most one of them is done,
        also when a host that hung goes on later. If somebody else changed it meanwhile, that came first; a file that
        changes all the time is written over in the end.
        """
        overtaken = 0
        while True:
            is_conditional = self.sending.content.again and overtaken < OVERTAKEN_MAX
            condition = await self._condition() if is_conditional else {}
            try:
                return await self._under(condition)
            except DevbenchError as error:
                if self.sending.lost is not None:
                    raise self.sending.lost from error
                if error.code != FileConflict.code or not condition:
                    raise
            overtaken += 1
            await self.sending.restart()

    async def _under(self, condition: dict[str, object]) -> FileView:
        async def undone() -> bool:
            return await self._condition() == condition

        answer = await self.sending.run(
            lambda: link_to(
                self.sending.backend,
                self.place,
                "upload",
                path=self.place.path,
                mode=self.mode,
                **condition,
            ),
            # absence is no version: a file that was made, and taken away since, is absent again
            undone if "if_match" in condition else None,
        )
        return FileView.model_validate(answer["file"])

    async def _condition(self) -> dict[str, object]:
        """Return what is true of the file now; nothing when no condition says that."""
        found = await self._at(follow=True)
        if found is None:
            return {"create_only": True} if await self._at(follow=False) is None else {}
        return {"if_match": found.etag} if found.type == "file" and found.etag else {}

    async def _at(self, *, follow: bool) -> FileView | None:
        container, path = self.place.container, self.place.path
        try:
            answer = await ask(
                self.sending.backend, FsStatOutput, "fs_stat", container=container, path=path, follow=follow
            )
        except DevbenchError as error:
            if error.code == FileMissing.code:
                return None
            raise
        return answer.file
