"""Finds out what the containers of a pool must be now."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import attrs

from devbench_core.bounds import bound
from devbench_core.containers.context import Context
from devbench_core.containers.create import create_request
from devbench_core.model.caller import Caller
from devbench_core.model.container import Container
from devbench_core.model.image import Image
from devbench_core.pools.making import Maker
from devbench_core.pools.settings import WarmPool
from devbench_core.pools.template import Target, fingerprint_of, spec_for

FILLER = Caller(tenant="", subject="devbench", client="pool")
"""On whose behalf images of pools are looked up and pulled."""
Resolve = Callable[[str, Caller], Awaitable[Image]]


class Targets:
    """Says what the engine would be asked for, by a pool's template or by a spawn."""

    def __init__(self, context: Context, making: Maker, resolve: Resolve) -> None:
        self._context = context
        self._making = making
        self._resolve = resolve

    def fingerprint(self, container: Container, image: Image) -> str:
        """Return the fingerprint of a container that is to be."""
        request = create_request(container, image, self._context.installation)
        return fingerprint_of(request, self._making.maker)

    async def of(self, pool: WarmPool) -> Target:
        """Return what the containers of a pool must be.

        Raises:
            DevbenchError: The image cannot be had, or the policy is refused; a spawn would be told the same.
        """
        context = self._context
        if not context.runtime.capabilities.enforces:
            await context.runtime.ping()  # it was silent at start-up and may have woken since
        spec = spec_for(pool, context.settings, context.runtime)
        seconds = context.settings.containers.pull_timeout_s
        async with bound(seconds, "containers.pull_timeout_s", "pulling"):
            image = await self._resolve(spec.image, FILLER)
        spec = attrs.evolve(spec, image=spec.image or image.name)
        blank = self._making.blank(spec, image.id)
        return Target(spec=spec, image=image, fingerprint=self.fingerprint(blank, image))
