"""The route that serves links: GET streams a file or an archive out, PUT streams one in."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from devbench_core.errors import ConfigurationInvalid, DevbenchError, FileConflict, ValidationFailed
from devbench_core.model.link import LINK_HEADER, LinkAction
from devbench_core.tools.file_views import FileView
from devbench_core.tools.fs_batch import FsImportOutput
from devbench_mcp.links.failures import answer
from devbench_mcp.links.grants import Grant, Signer
from devbench_mcp.links.pace import ClientStalled, PacedResponse, arriving
from devbench_mcp.links.ranges import RangeRefused, range_of
from devbench_mcp.resources.filereading import mime_type

if TYPE_CHECKING:
    from devbench_core.bench import Bench

GRANT = "devbench.grant"
"""Key in the request's scope under which the guard puts what a link grants."""
SAFE_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "Cache-Control": "private, no-store",
    "Referrer-Policy": "no-referrer",
}
"""What comes out of a workspace may be hostile: no browser shall run it as this host's."""
ARCHIVE_TYPES = {
    "tar": "application/x-tar",
    "tar.gz": "application/gzip",
    "tar.zst": "application/zstd",
    "zip": "application/zip",
}

ENDLESS = frozenset({"0.9", "1.0"})
"""Versions of HTTP without chunks: what has no length ends as a lost connection does, and a part looks whole."""


def grant_of(signer: Signer, path: str, prefix: str) -> Grant:
    """Return what the address of a request grants.

    Raises:
        Unauthorised: It is not valid, or over.
    """
    word = path.removeprefix(prefix).partition("/")[0]
    return signer.read(word, now_s=time.time())


class LinkRoutes:
    """Serves what the guard has found to be granted."""

    def __init__(self, bench: Bench, *, idle_s: float) -> None:
        self._bench = bench
        self._idle_s = idle_s
        self._serve: dict[LinkAction, Callable[[Request, Grant], Awaitable[Response]]] = {
            LinkAction.DOWNLOAD: self._download,
            LinkAction.UPLOAD: self._upload,
            LinkAction.EXPORT: self._export,
            LinkAction.IMPORT: self._import,
        }

    async def serve(self, request: Request) -> Response:
        """Answer one request."""
        given = await self._answer(request, request.scope[GRANT])
        given.headers[LINK_HEADER] = "1"
        return given

    async def _answer(self, request: Request, grant: Grant) -> Response:
        wanted = {"PUT"} if grant.request.action.changes else {"GET", "HEAD"}
        if request.method not in wanted:
            return Response(status_code=405, headers={"Allow": ", ".join(sorted(wanted))})
        try:
            return await self._serve[grant.request.action](request, grant)
        except RangeRefused as error:
            return answer(error, 416)
        except ClientStalled as error:
            return answer(error, 408)
        except DevbenchError as error:
            return answer(error)

    async def _download(self, request: Request, grant: Grant) -> Response:
        """Give a file, or a part of it.

        One that is changed while it is read ends early: its length is announced, so nobody takes that for the whole.
        """
        asked = grant.request
        files, caller = self._bench.files, grant.caller
        info = await files.stat(asked.container_id, asked.path, follow=True, caller=caller)
        wanted = range_of(request.headers.get("range"), request.headers.get("if-range"), info)
        async with AsyncExitStack() as stack:
            stream = await stack.enter_async_context(
                files.read_stream(
                    asked.container_id, asked.path, offset=wanted.begin, max_bytes=wanted.size, caller=caller
                )
            )
            if stream.info.etag != info.etag:
                raise FileConflict(
                    f"{asked.path!r} has just changed",
                    hint="ask again",
                    details={"path": asked.path, "etag": stream.info.etag},
                )
            headers = _headers(asked.path) | {"ETag": f'"{info.etag}"', "Accept-Ranges": "bytes"}
            if request.headers.get("if-none-match") == headers["ETag"]:
                return Response(status_code=304, headers=headers)
            headers |= wanted.headers()
            kind = mime_type(asked.path, is_text=False)
            if request.method == "HEAD":
                return Response(status_code=wanted.status, headers=headers, media_type=kind)
            body = _until_closed(aiter(stream), stack.pop_all())
            return PacedResponse(body, wanted.status, headers, media_type=kind, idle_s=self._idle_s)

    async def _upload(self, request: Request, grant: Grant) -> Response:
        asked = grant.request
        written = await self._bench.files.write_stream(
            asked.container_id,
            asked.path,
            arriving(request.stream(), self._idle_s),
            if_match=asked.if_match or _etag(request),
            if_none_match=asked.create_only or request.headers.get("if-none-match") == "*",
            mode=asked.mode,
            parents=True,
            caller=grant.caller,
        )
        view = FileView.of(written.info).model_dump(mode="json")
        return JSONResponse({"file": view, "created": written.created}, 201 if written.created else 200)

    async def _export(self, request: Request, grant: Grant) -> Response:
        asked = grant.request
        headers = _headers(f"{PurePosixPath(asked.path).name or 'workspace'}.{asked.format}")
        kind = ARCHIVE_TYPES[asked.format]
        if request.scope["http_version"] in ENDLESS:
            return answer(_no_end(request.scope["http_version"]), 505)
        if request.method == "HEAD":
            return Response(headers=headers, media_type=kind)
        pieces = self._bench.files.export_archive(
            asked.container_id, asked.path, format=asked.format, ignore=asked.ignore, caller=grant.caller
        )
        first = await anext(pieces)  # what cannot be exported at all is an answer, not a torn stream
        body = _with(first, pieces)
        return PacedResponse(body, headers=headers, media_type=kind, idle_s=self._idle_s)

    async def _import(self, request: Request, grant: Grant) -> Response:
        asked = grant.request
        done = await self._bench.files.import_archive(
            asked.container_id,
            asked.path,
            arriving(request.stream(), self._idle_s),
            format=asked.format,
            overwrite=asked.overwrite,
            caller=grant.caller,
        )
        return JSONResponse(FsImportOutput.of(done).model_dump())


def _headers(path: str) -> dict[str, str]:
    name = quote(os.fsencode(PurePosixPath(path).name), safe="")
    return {**SAFE_HEADERS, "Content-Disposition": f"attachment; filename*=UTF-8''{name}"}


def _no_end(version: str) -> ConfigurationInvalid:
    return ConfigurationInvalid(
        f"an archive is not sent over HTTP/{version}, where a part of it looks like all of it",
        hint="have whatever is between speak HTTP/1.1 to the host: in nginx `proxy_http_version 1.1`",
        details={"limit": "HTTP/1.1"},
    )


def _etag(request: Request) -> str | None:
    given = request.headers.get("if-match")
    if given is None:
        return None
    if len(given) < 3 or given[0] != '"' or given[-1] != '"':
        raise ValidationFailed("If-Match", "must be one etag in quotation marks")
    return given[1:-1]


async def _until_closed(pieces: AsyncIterator[bytes], stack: AsyncExitStack) -> AsyncGenerator[bytes]:
    """Give the pieces, each when the next is there: that a file was changed is known after its last one alone."""
    held = b""
    async with stack:
        async for piece in pieces:
            if held:
                yield held
            held = piece
        if held:
            yield held


async def _with(first: bytes, rest: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    try:
        yield first
        async for piece in rest:
            yield piece
    finally:
        await rest.aclose()
