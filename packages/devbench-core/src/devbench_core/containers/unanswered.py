"""Claims whose outcome the store did not tell: the connection broke, or the caller went away meanwhile.

What the store did write would be a container that nobody is making and nobody knows of. Each round looks whether it is
there, and ends it.
"""

from __future__ import annotations

from devbench_core.containers.context import Context
from devbench_core.containers.ending import Ender
from devbench_core.errors import DevbenchError
from devbench_core.logs import get_logger
from devbench_core.model.container import Container, Status
from devbench_core.values import frozen

log = get_logger(__name__)
KEPT_MAX = 10_000


@frozen
class _Claim:
    """What was to be written.

    Attributes:
        container: As it would have been: a warm one that nobody got after all may be another spawn's by now.
        keyed: Whether a repeat with the same key finds it.
        since_s: When it was, by the monotonic clock.
    """

    container: Container
    keyed: bool
    since_s: float

    def left(self, found: Container) -> bool:
        """Tell whether a container lives that this claim made and that nobody knows of."""
        is_known = self.keyed and found.status is not Status.CREATING
        return found.ending is None and not is_known and _who(found) == _who(self.container)


def _who(container: Container) -> tuple[object, ...]:
    return container.tenant, container.created_by, container.created_at, container.spec.alias


class Unanswered:
    """Remembers them until the store has told.

    An id that it does not have for as long as a spawn may take is forgotten.
    """

    def __init__(self, context: Context, ender: Ender) -> None:
        self._context = context
        self._ender = ender
        self._claims: dict[str, _Claim] = {}

    def note(self, container: Container, *, keyed: bool) -> None:
        """Remember a claim.

        Args:
            container: As it would have been written.
            keyed: Whether a repeat with the same key finds it: then it is nobody's business to end it once it runs.
        """
        while len(self._claims) >= KEPT_MAX:
            oldest = next(iter(self._claims))
            log.warning("container.claim_forgotten", container=oldest)
            del self._claims[oldest]
        self._claims[container.id] = _Claim(
            container=container, keyed=keyed, since_s=self._context.clock.monotonic_s()
        )

    async def settle(self) -> None:
        """Ask the store for each, and end what it has."""
        for container_id, claim in list(self._claims.items()):
            try:
                found = await self._context.repository.by_id(container_id)
            except DevbenchError as error:
                log.info("container.claim_unanswered", container=container_id, error=str(error))
                return  # the next round asks for all that are left
            age_s = self._context.clock.monotonic_s() - claim.since_s
            if found is None and age_s < self._context.settings.containers.spawn_timeout_s:
                continue  # the store may be about to write it
            if found and claim.left(found):
                await self._ender.discard(found, "the store did not answer whoever claimed it")
                continue  # the next round sees whether that was written
            self._claims.pop(container_id, None)
