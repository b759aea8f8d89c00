"""The methods ``resources/…`` and ``subscriptions/listen``."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from mcp import types
from mcp.server import ServerRequestContext
from mcp.server.connection import Connection

from devbench_core.errors import DevbenchError
from devbench_core.model.caller import Caller
from devbench_core.tools.base import READ
from devbench_mcp.context import Context, caller_of, need_scope, protocol_error, resource_not_found
from devbench_mcp.resources import addresses, completing, filereading, listing, reading
from devbench_mcp.resources.fileuris import FileUri
from devbench_mcp.resources.mailboxes import KEY, Mailbox
from devbench_mcp.resources.streams import task_ids
from devbench_mcp.tasks.shapes import require

if TYPE_CHECKING:
    from devbench_core.bench import Bench


class Resources:
    """Answers from a bench; subscriptions live as long as the context's `Live`."""

    def __init__(self, bench: Bench, local: Caller, *, subscriptions_max: int) -> None:
        self._bench = bench
        self._local = local
        self._most = subscriptions_max
        self._templates = listing.templates()

    async def list(
        self, context: Context, params: types.PaginatedRequestParams | None
    ) -> types.ListResourcesResult:
        """Answer ``resources/list``."""
        with _told(context):
            return await listing.page(self._bench, params.cursor if params else None, self._reader(context))

    async def templates(
        self, _context: Context, _params: types.PaginatedRequestParams | None
    ) -> types.ListResourceTemplatesResult:
        """Answer ``resources/templates/list``."""
        return self._templates

    async def read(
        self, context: Context, params: types.ReadResourceRequestParams
    ) -> types.ReadResourceResult:
        """Answer ``resources/read``."""
        with _told(context):
            uri = addresses.parse(params.uri)
            caller = self._reader(context)
            if isinstance(uri, FileUri):
                contents = await filereading.read(self._bench, uri, caller)
            else:
                contents = await reading.read(self._bench, uri, caller)
        return types.ReadResourceResult(contents=[contents])

    async def subscribe(self, context: Context, params: types.SubscribeRequestParams) -> types.EmptyResult:
        """Answer ``resources/subscribe``."""
        with _told(context):
            caller, uri = self._reader(context), addresses.parse(params.uri)
            following = context.lifespan_context.following
            await self._mailbox(context).subscribe(
                params.uri, lambda ring: following.follow(uri, caller, ring)
            )
        return types.EmptyResult()

    async def unsubscribe(
        self, context: Context, params: types.UnsubscribeRequestParams
    ) -> types.EmptyResult:
        """Answer ``resources/unsubscribe``."""
        self._mailbox(context).unsubscribe(params.uri)
        return types.EmptyResult()

    async def listen(
        self, context: Context, params: types.SubscriptionsListenRequestParams
    ) -> types.SubscriptionsListenResult:
        """Answer ``subscriptions/listen``."""
        if task_ids(params):
            require(context)
        with _told(context):
            caller = self._reader(context)
        return await context.lifespan_context.streams.listen(context, params, caller)

    async def complete(self, context: Context, params: types.CompleteRequestParams) -> types.CompleteResult:
        """Answer ``completion/complete``."""
        with _told(context):
            completion = await completing.complete(self._bench, params, self._reader(context))
        return types.CompleteResult(completion=completion)

    def _reader(self, context: Context) -> Caller:
        caller = caller_of(context, self._local)
        need_scope(caller, READ, "resources")
        return caller

    def _mailbox(self, context: Context) -> Mailbox:
        connection = connection_of(context)
        found = connection.state.get(KEY)
        if isinstance(found, Mailbox):
            return found
        live = context.lifespan_context
        made = Mailbox(live.tasks, connection.send_resource_updated, most=self._most)
        connection.state[KEY] = made
        connection.exit_stack.callback(made.close)
        return made


def connection_of(context: ServerRequestContext[Any, Any]) -> Connection:
    """Return the session that a request came on.

    The SDK documents its ``state`` and ``exit_stack`` for handlers, and hands them out nowhere else.
    """
    return context.session._connection  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]


@contextmanager
def _told(context: ServerRequestContext[Any, Any]) -> Generator[None]:
    try:
        yield
    except DevbenchError as error:
        raise protocol_error(error, not_found=resource_not_found(context)) from error
