"""One file as the contents of a resource: text where it is text, else a blob."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import attrs
from mcp import types

from devbench_core.files.media import BINARY, TEXT, media_type
from devbench_core.model.caller import Caller
from devbench_core.tools.base import BASE64_MAX_BYTES, TEXT_MAX_BYTES
from devbench_core.tools.bytes_text import text_page, to_base64
from devbench_core.tools.file_views import FileView
from devbench_mcp.resources.fileuris import FileUri

if TYPE_CHECKING:
    from devbench_core.bench import Bench

META = "devbench/file"
"""Key under which the contents tell of the file, and how they go on."""


async def read(
    bench: Bench, uri: FileUri, caller: Caller
) -> types.TextResourceContents | types.BlobResourceContents:
    """Return a piece of a file, as much as one message may hold; ``_meta`` says where it goes on.

    Raises:
        FileMissing: Nothing is there.
        FileFailed: It is a folder, or may not be read.
        PathOutside: It leads out of the workspace, or is absolute and beneath no root.
    """
    most = uri.max_bytes or BASE64_MAX_BYTES
    content = await bench.files.read(
        uri.container, uri.path, offset=uri.offset, max_bytes=most, caller=caller
    )
    text = text_page(content.data, TEXT_MAX_BYTES, last=not content.truncated)
    used = len(content.data) if text is None else len(text.encode())
    more = content.truncated or used < len(content.data)
    rest = str(attrs.evolve(uri, offset=uri.offset + used)) if more else None
    meta = {
        META: {
            "file": FileView.of(content.info).model_dump(mode="json"),
            "offset": content.offset,
            **({"next": rest} if rest else {}),
        }
    }
    kind = mime_type(uri.path, is_text=text is not None)
    if text is not None:
        return types.TextResourceContents(uri=str(uri), mime_type=kind, text=text, _meta=meta)
    return types.BlobResourceContents(uri=str(uri), mime_type=kind, blob=to_base64(content.data), _meta=meta)


def mime_type(path: str, *, is_text: bool) -> str:
    """Return a file's media type, by its name; what is no text is never said to be."""
    name = media_type(PurePosixPath(path), None).by_name
    if is_text:
        return name or TEXT
    return name if name and not name.startswith("text/") else BINARY
