"""Sessions with a host, each in a task of its own: one that is lost is replaced, and takes nobody with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING

import attrs

from devbench_cli.backends.attempts import ATTEMPT, Attempt
from devbench_cli.backends.remote_failures import told

if TYPE_CHECKING:
    from mcp import Client

CLOSE_TIMEOUT_S = 2.0
"""How long a session may take to say good-bye to a host, which may be gone."""


@attrs.define(eq=False)
class Session:
    """A session, while it lasts.

    Attributes:
        client: Speaks in it.
        users: How many calls are under way.
        dropped: Whether it takes no further call.
        over: Set when it is to be closed.
    """

    client: Client
    users: int = 0
    dropped: bool = False
    over: asyncio.Event = attrs.field(factory=asyncio.Event)

    @property
    def lives_in_one_host(self) -> bool:
        """Whether other hosts do not know it, as in the older eras of the protocol."""
        return self.client.session.initialize_result is not None

    def settle(self) -> None:
        """Close it once it is dropped and nobody uses it any more."""
        if self.dropped and not self.users:
            self.over.set()


class Sessions:
    """Gives the session of now.

    Args:
        url: Where, for errors.
        connect: Opens one for the length of a block.
        tasks: Own them.
    """

    def __init__(
        self, url: str, connect: Callable[[], AbstractAsyncContextManager[Client]], tasks: asyncio.TaskGroup
    ) -> None:
        self._url = url
        self._connect = connect
        self._tasks = tasks
        self._current: asyncio.Future[Session] | None = None
        self._opening: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def using(self) -> AsyncGenerator[Session]:
        """Give a session for one call; all that come meanwhile wait for the same one.

        Raises:
            Lost: None could be opened now.
            DevbenchError: None can be opened.
        """
        session = await self._opened()
        session.users += 1
        try:
            yield session
        finally:
            session.users -= 1
            session.settle()

    def drop(self, session: Session) -> None:
        """Let the next call open another one; this one is closed when the last call in it has ended."""
        session.dropped = True
        session.settle()

    def close(self) -> None:
        """Close the session of now, and do not wait for one that is being opened."""
        if self._opening is not None:
            self._opening.cancel()
        if (
            self._current is not None
            and self._current.done()
            and not self._current.cancelled()
            and self._current.exception() is None
        ):
            self.drop(self._current.result())

    async def _opened(self) -> Session:
        while True:
            if self._current is None:
                self._current = asyncio.get_running_loop().create_future()
                self._opening = self._tasks.create_task(self._hold(self._current), name="session")
            current = self._current
            session = await asyncio.shield(current)
            if not session.dropped:
                return session
            if self._current is current:
                self._current = None

    def _check(self, attempt: Attempt) -> None:
        """Refuse what was opened in a poorer way only because the better one was lost on its way."""
        lost = told(self._url, attempt, None)
        if lost is not None:
            raise lost

    async def _hold(self, opened: asyncio.Future[Session]) -> None:
        attempt = Attempt()
        ATTEMPT.set(attempt)
        session: Session | None = None
        try:
            async with asyncio.timeout(None) as bound, self._connect() as client:
                self._check(attempt)
                session = Session(client)
                opened.set_result(session)
                self._opening = None
                await session.over.wait()
                bound.reschedule(asyncio.get_running_loop().time() + CLOSE_TIMEOUT_S)
        except Exception as raised:  # noqa: BLE001 - told to whoever waits for it, or of no consequence
            if session is None:
                self._current = None
                opened.set_exception(told(self._url, attempt, raised) or raised)
                opened.exception()  # whoever asked for it may have gone
        finally:
            if session is not None:
                self.drop(session)
            elif not opened.done():
                opened.cancel()
