"""One file as the contents of a resource: text where it is text, else a blob."""

from __future__ import annotations

import base64
import mimetypes
from typing import TYPE_CHECKING

import attrs
from mcp import types

from devbench_core.model.caller import Caller
from devbench_core.model.file import FileContent
from devbench_core.tools.base import BASE64_MAX_BYTES, TEXT_MAX_BYTES
from devbench_core.tools.bytes_text import as_text, cut_edges
from devbench_core.tools.views import FileView
from devbench_mcp.resources.fileuris import FileUri

if TYPE_CHECKING:
    from devbench_core.bench import Bench

META = "devbench/file"
"""Key under which the contents tell of the file, and how they go on."""
UNKNOWN = "application/octet-stream"


async def read(
    bench: Bench, uri: FileUri, caller: Caller
) -> types.TextResourceContents | types.BlobResourceContents:
    """Return a piece of a file, as much as one message may hold; ``_meta`` says where it goes on.

    Raises:
        FileMissing: Nothing is there.
        FileFailed: It is a folder, or may not be read.
        PathOutside: It leads out of the workspace.
    """
    most = uri.max_bytes or BASE64_MAX_BYTES
    content = await bench.files.read(
        uri.container, uri.path, offset=uri.offset, max_bytes=most, caller=caller
    )
    text = _text(content)
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
    blob = base64.b64encode(content.data).decode("ascii")
    return types.BlobResourceContents(uri=str(uri), mime_type=kind, blob=blob, _meta=meta)


def mime_type(path: str, *, is_text: bool) -> str:
    """Return a file's media type, by its name; what is no text is never said to be."""
    guessed, encoding = mimetypes.guess_type(path, strict=False)
    if encoding is not None:
        return f"application/{encoding}" if encoding != "br" else UNKNOWN
    if is_text:
        return guessed or "text/plain"
    return guessed if guessed and not guessed.startswith("text/") else UNKNOWN


def _text(content: FileContent) -> str | None:
    """Return as much as one message may hold as text, never half a character; None when it is no text."""
    page = content.data[:TEXT_MAX_BYTES]
    if not content.truncated and len(page) == len(content.data):
        return as_text(page)
    _, _, fragment = cut_edges(page)
    return as_text(page[: len(page) - len(fragment)])
