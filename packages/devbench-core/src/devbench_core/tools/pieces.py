"""A command's output as a tool shows it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from pydantic import Field

from devbench_core.model.execution import Chunk, StreamName
from devbench_core.tools.bytes_text import as_text, cut_edges, from_base64, to_base64
from devbench_core.tools.views import View


class OutputPiece(View):
    """A piece of output: text, or base64 where the bytes are no text. Pieces in order are the exact output."""

    stream: Literal["stdout", "stderr"] = Field(description="Which output it came from.")
    encoding: Literal["utf-8", "base64"] = Field(
        default="utf-8", description="utf-8: see `text`. base64: the bytes are no text, see `base64`."
    )
    text: str | None = Field(default=None, description="The output, when it is UTF-8 text.")
    base64: str | None = Field(
        default=None,
        description="The exact bytes, when they are not: binary data, or a character cut by a page's end.",
    )
    lost_bytes: int = Field(
        default=0,
        description="Bytes lost before this piece, because the program wrote faster than it was read.",
    )

    def to_bytes(self) -> bytes:
        """Return the exact bytes of the piece."""
        if self.base64 is not None:
            return from_base64("base64", self.base64)
        return (self.text or "").encode("utf-8")


def pieces_of(chunks: Iterable[Chunk]) -> list[OutputPiece]:
    """Join the chunks of one stream that follow each other, and encode them."""
    pieces: list[OutputPiece] = []
    for stream, data, lost in _joined(chunks):
        pieces.extend(_encoded(stream, data, lost))
    return pieces


def _joined(chunks: Iterable[Chunk]) -> Iterable[tuple[StreamName, bytes, int]]:
    stream: StreamName | None = None
    gathered: list[bytes] = []
    lost = 0
    for chunk in chunks:
        if chunk.stream is StreamName.SIDE:
            continue  # for shells' own book-keeping
        if stream is not None and (chunk.stream is not stream or chunk.lost_bytes):
            yield stream, b"".join(gathered), lost
            gathered, lost = [], 0
        stream = chunk.stream
        gathered.append(chunk.data)
        lost += chunk.lost_bytes
    if stream is not None:
        yield stream, b"".join(gathered), lost


def _encoded(stream: StreamName, data: bytes, lost: int) -> Iterable[OutputPiece]:
    name: Literal["stdout", "stderr"] = "stdout" if stream is StreamName.STDOUT else "stderr"
    text = as_text(data)
    if text is not None:
        yield OutputPiece(stream=name, text=text, lost_bytes=lost)
        return
    for part in (p for p in cut_edges(data) if p):
        text = as_text(part)
        if text is None:
            yield OutputPiece(stream=name, encoding="base64", base64=to_base64(part), lost_bytes=lost)
        else:
            yield OutputPiece(stream=name, text=text, lost_bytes=lost)
        lost = 0
