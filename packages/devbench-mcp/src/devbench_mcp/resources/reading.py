"""One command's output as the contents of a resource."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from mcp import types

from devbench_core.errors import ExecNotFound
from devbench_core.model.caller import Caller
from devbench_core.model.execution import Chunk, Exec, ExecEnding, StreamName
from devbench_core.tools.base import OUTPUT_DEFAULT_BYTES
from devbench_core.tools.exec_views import ExecEndingView
from devbench_core.tools.run import CHUNKS_MAX, HeadAndTail
from devbench_mcp.resources.uris import OutputUri

if TYPE_CHECKING:
    from devbench_core.bench import Bench

MIME = "text/plain"
META = "devbench/output"
"""Key under which the contents say how far they reach."""


async def find(bench: Bench, uri: OutputUri, caller: Caller) -> Exec:
    """Return the command of an address.

    Raises:
        ExecNotFound: The caller's tenant has no such command in that container.
    """
    record = await bench.execs.get(uri.exec_id, caller=caller)
    if record.container_id != uri.container_id:
        raise ExecNotFound(f"no command {uri.exec_id!r} in container {uri.container_id!r}")
    return record


async def read(bench: Bench, uri: OutputUri, caller: Caller) -> types.TextResourceContents:
    """Return output as text: what follows a cursor, or the beginning and the end of all there is.

    Bytes that are no UTF-8 are shown as U+FFFD, and ``exact`` is false then.

    Raises:
        ExecNotFound: The caller's tenant has no such command in that container.
        StoreFailed: The store could not be read.
    """
    await find(bench, uri, caller)
    most = uri.max_bytes or OUTPUT_DEFAULT_BYTES
    if uri.after is not None:
        return await _page(bench, uri, uri.after, most, caller)
    return await _ends(bench, uri, most, caller)


async def _page(
    bench: Bench, uri: OutputUri, after: int, most: int, caller: Caller
) -> types.TextResourceContents:
    page = await bench.execs.poll(uri.exec_id, after=after, max_bytes=most, caller=caller)
    text, facts = _text(page.chunks)
    return _contents(uri, text, {**facts, **_reach(page.cursor, page.ending)})


async def _ends(bench: Bench, uri: OutputUri, most: int, caller: Caller) -> types.TextResourceContents:
    ends = await bench.execs.ends(uri.exec_id, limit_bytes=most, limit_chunks=CHUNKS_MAX, caller=caller)
    kept = HeadAndTail.of(ends, most)
    if not kept.left_out_bytes:
        text, facts = _text((*kept.head, *kept.tail))
        return _contents(uri, text, {**facts, **_reach(ends.cursor, ends.ending)})
    head, facts = _text(kept.head)
    tail, more = _text(kept.tail)
    rest = OutputUri(container_id=uri.container_id, exec_id=uri.exec_id, after=kept.left_out_after)
    seam = f"\n[{kept.left_out_bytes} bytes are left out here; read them with {rest}]\n"
    facts = {
        "exact": facts["exact"] and more["exact"],
        "lost_bytes": facts["lost_bytes"] + more["lost_bytes"],
        "left_out_bytes": kept.left_out_bytes,
        "left_out_after": kept.left_out_after,
    }
    return _contents(uri, head + seam + tail, {**facts, **_reach(ends.cursor, ends.ending)})


def _text(chunks: Iterable[Chunk]) -> tuple[str, dict[str, Any]]:
    """Return output as text, whether that is exact, and how much of it was lost."""
    found = tuple(chunks)
    data = b"".join(chunk.data for chunk in found if chunk.stream is not StreamName.SIDE)
    lost = sum(chunk.lost_bytes for chunk in found)
    try:
        return data.decode("utf-8"), {"exact": not lost, "lost_bytes": lost}
    except UnicodeDecodeError:
        return data.decode("utf-8", "replace"), {"exact": False, "lost_bytes": lost}


def _reach(cursor: int, ending: ExecEnding | None) -> dict[str, Any]:
    if ending is None:
        return {"cursor": cursor, "ended": False}
    shown = ExecEndingView.of(ending).model_dump(mode="json", exclude_none=True)
    return {"cursor": cursor, "ended": True, "ending": shown}


def _contents(uri: OutputUri, text: str, facts: dict[str, Any]) -> types.TextResourceContents:
    return types.TextResourceContents(uri=str(uri), mime_type=MIME, text=text, _meta={META: facts})
