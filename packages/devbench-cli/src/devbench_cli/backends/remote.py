"""A remote host, driven through MCP over streamable HTTP."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from devbench_cli.backends.links import HostLinks
from devbench_cli.backends.patience import Outage, Patience
from devbench_cli.backends.protocol import Backend
from devbench_cli.backends.remote_failures import Lost, failure_of, told
from devbench_core.errors import DevbenchError, ValidationFailed
from devbench_core.model.image import Image
from devbench_core.tool import ProgressSink

if TYPE_CHECKING:
    from devbench_cli.backends.repeats import Asked
    from devbench_cli.backends.sessions import Session, Sessions

REQUEST_MAX_BYTES = 2560 * 1024
"""Hosts limit a request to 4 MiB, and base64 makes content a third larger."""
LOCAL_ONLY = "run it on the host, without --url"


def quietly() -> None:
    """Tell nobody."""


class RemoteBackend:
    """Calls tools of a host; a call that was lost on the way is made again where that is safe.

    Attributes:
        links: Carries what is too large for a tool's arguments or result.

    Args:
        url: Of the host, for errors.
        sessions: With it.
        links: Of it.
        patience: How long a call is tried again.
        on_repeat: Is told of every repeat.
    """

    def __init__(
        self,
        url: str,
        sessions: Sessions,
        links: HostLinks,
        patience: Patience,
        on_repeat: Callable[[], None] = quietly,
    ) -> None:
        self._url = url
        self._sessions = sessions
        self._patience = patience
        self._on_repeat = on_repeat
        self.links = links

    @property
    def default_ttl_s(self) -> float | None:
        """The host decides."""
        return None

    @property
    def stdin_max_bytes(self) -> int:
        """What fits into a request."""
        return REQUEST_MAX_BYTES

    @property
    def upload_max_bytes(self) -> int:
        """What fits into a request."""
        return REQUEST_MAX_BYTES

    async def connect(self) -> None:
        """Open the first session.

        Raises:
            HostUnreachable: Nothing listens there, which is told at once: the address may be wrong.
            DevbenchError: What the host says.
        """
        outage = self.outage()
        while True:
            try:
                async with self._sessions.using():
                    return
            except Lost as lost:
                if not (lost.reached and await self.again(outage)):
                    raise lost.error from lost.__cause__

    async def call(
        self, tool: str, arguments: Mapping[str, object], *, progress: ProgressSink | None = None
    ) -> Mapping[str, Any]:
        """Call a tool of the host.

        Raises:
            OutcomeUnknown: The answer was lost, and doing it again would not be safe, or did not come through in time.
            HostUnreachable: It was not done, or changes nothing, and did not come through in time.
            DevbenchError: What the host says.
        """
        from devbench_cli.backends.repeats import NOT_NOW, Asked

        asked, outage = Asked.of(tool, arguments), self.outage()
        while True:
            try:
                return asked.answer(await self._once(asked, progress))
            except Lost as lost:
                outage.reached = outage.reached or lost.reached
                if (asked.is_safe or not outage.reached) and await self.again(outage):
                    continue
                failure: DevbenchError = lost.error
                if outage.reached and not asked.only_looks:
                    failure = asked.unknown(self._url, failure)
                raise failure from lost.__cause__
            except DevbenchError as error:
                if error.code in NOT_NOW and asked.is_safe and await self.again(outage):
                    outage.reached = True  # the store may have taken it all the same
                    continue
                if outage.reached and asked.is_ambiguous(error):
                    raise asked.unknown(self._url, error) from error
                raise

    def outage(self) -> Outage:
        """Return what one call, or one transfer, will have gone through."""
        return Outage(self._patience)

    async def again(self, outage: Outage, moved: int = 0) -> bool:
        """Wait for the next try and tell of it; return False, without waiting, when there shall be none.

        Args:
            outage: Of the call.
            moved: Bytes that came through in the last try: if there are any, the time for trying begins anew.
        """
        if moved:
            outage.over()
        if not await outage.pause():
            return False
        self._on_repeat()
        return True

    @asynccontextmanager
    async def _session(self) -> AsyncGenerator[Session]:
        """Give a session for a call; when none can be opened, nothing of the call was sent."""
        async with AsyncExitStack() as stack:
            try:
                session = await stack.enter_async_context(self._sessions.using())
            except Lost as lost:
                raise Lost(lost.error, reached=False) from lost.__cause__
            yield session

    async def _once(self, asked: Asked, progress: ProgressSink | None) -> Mapping[str, Any]:
        from devbench_cli.backends.attempts import ATTEMPT, Attempt

        async with self._session() as session:
            attempt = Attempt()
            mark = ATTEMPT.set(attempt)
            try:
                return await _call(session, asked, progress)
            except DevbenchError:
                raise
            except Exception as raised:
                failure = told(self._url, attempt, raised, in_one_host=session.lives_in_one_host)
                if isinstance(failure, Lost):
                    self._sessions.drop(session)
                if failure is None:
                    raise
                raise failure from raised
            finally:
                ATTEMPT.reset(mark)

    async def pull(self, name: str, *, progress: ProgressSink | None = None) -> Image:
        """Refuse: hosts pull when they spawn."""
        _ = progress
        raise ValidationFailed("--url", f"a host pulls {name!r} by itself when it spawns it", hint=LOCAL_ONLY)

    async def import_image(self, name: str, source: Path) -> Image:
        """Refuse: the tar or folder is here, the images are there."""
        _ = source
        raise ValidationFailed("--url", f"{name!r} cannot be imported remotely", hint=LOCAL_ONLY)


async def _call(session: Session, asked: Asked, progress: ProgressSink | None) -> Mapping[str, Any]:
    """Make a call once. The result is not held against the host's list of tools, whose answer might be lost as well."""
    from mcp import types

    sink = progress

    async def follow(progress: float, total: float | None, message: str | None) -> None:
        if sink is not None:
            await sink(progress, total, message or "")

    params = types.CallToolRequestParams(name=asked.tool, arguments=dict(asked.arguments))
    result = await session.client.session.send_request(
        types.CallToolRequest(params=params),
        types.CallToolResult,
        progress_callback=follow if progress is not None else None,
    )
    structured = cast("Mapping[str, Any]", result.structured_content or {})
    if result.is_error:
        texts = [getattr(part, "text", "") for part in result.content]
        raise failure_of(structured, "\n".join(text for text in texts if text))
    return structured


if TYPE_CHECKING:
    _: type[Backend] = RemoteBackend
