"""The use case: from the name that somebody wrote to an image that the engine has."""

from __future__ import annotations

import builtins
from collections.abc import Callable

from devbench_core.clock import Clock
from devbench_core.contracts.powers import SupportsPull
from devbench_core.contracts.runtime import Runtime
from devbench_core.errors import ImageNotFound, Vetoed
from devbench_core.images.cache import ResolutionCache
from devbench_core.images.pulls import Progress, Pulls
from devbench_core.images.rules import Rules, is_id
from devbench_core.images.settings import ImageSettings
from devbench_core.model.caller import LOCAL, Caller
from devbench_core.model.event import Request, Veto
from devbench_core.model.image import Image
from devbench_core.nearest import suggestion

Emit = Callable[[str, "Caller | None", dict[str, object]], None]
Review = Callable[[Request], "Veto | None"]
KNOWN_MAX = 20
"""How many names an error lists when none is near."""


class Images:
    """Resolves, pulls and lists images."""

    def __init__(
        self,
        runtime: Runtime,
        settings: ImageSettings,
        clock: Clock,
        emit: Emit,
        review: Review = lambda _request: None,
    ) -> None:
        self._runtime = runtime
        self._policy = settings.pull_policy
        self._rules = Rules(settings, registries=runtime.capabilities.images)
        self._pulls = Pulls(self._rules.credentials)
        self._emit = emit
        self._review = review
        self.cache = ResolutionCache(clock, ttl_s=settings.cache_ttl_s, size=settings.cache_size)

    async def resolve(
        self, name: str = "", *, caller: Caller = LOCAL, progress: Progress | None = None
    ) -> Image:
        """Return the image that a name stands for, pulling it when the policy says so.

        Answers are remembered (``images.cache_ttl_s``), except under the policy ``always``. Concurrent calls for
        one image share one pull, and all of them see its progress.

        Args:
            name: A reference, an alias, or "" for the default.
            caller: Who asks.
            progress: Told about a pull.

        Raises:
            ValidationFailed: It is no reference.
            ImageRefused: No pattern of ``images.allow`` matches, or its digest cannot be pinned.
            ImageNotFound: The engine does not have it, and the policy does not let it be pulled.
            ImagePullFailed: The pull failed.
            Vetoed: A plugin objects to the pull.
        """
        full = self._rules.full_name(name)
        self._rules.check_allowed(full)
        cached = None if self._policy == "always" else self.cache.get(full)
        if cached is not None:
            return cached
        image = self._rules.pinned(full, await self._find(full, caller, progress))
        self.cache.put(full, image)
        return image

    def full_name(self, name: str) -> str:
        """Return the normal form of a name, aliases and defaults applied.

        Raises:
            ValidationFailed: It is no reference.
            ImageNotFound: None was named and none is configured.
        """
        return self._rules.full_name(name)

    def forget(self, name: str) -> None:
        """Look the name up anew at its next resolution; for a caller that found the image gone."""
        self.cache.forget(self._rules.full_name(name))

    async def list(self, *, caller: Caller = LOCAL) -> tuple[Image, ...]:
        """Return the images that the engine has and the operator allows, sorted by name."""
        _ = caller  # all callers see the same; tenants share the engine's images
        return tuple(image for image in await self._runtime.images() if self._rules.allows(image.name))

    async def _find(self, full: str, caller: Caller, progress: Progress | None) -> Image:
        engine = self._runtime if isinstance(self._runtime, SupportsPull) and not is_id(full) else None
        if self._policy == "always" and engine is not None:
            await self._pull(engine, full, caller, progress)
        try:
            return await self._runtime.resolve_image(full)
        except ImageNotFound as error:
            if self._policy != "missing" or engine is None:
                raise await self._not_found(full, error) from error
        await self._pull(engine, full, caller, progress)
        return await self._runtime.resolve_image(full)

    async def _pull(self, engine: SupportsPull, full: str, caller: Caller, progress: Progress | None) -> None:
        veto = self._review(Request(operation="image.pull", caller=caller, subject=full))
        if veto is not None:
            raise Vetoed(
                f"image.pull was refused by {veto.clause}: {veto.reason}", details={"clause": veto.clause}
            )
        await self._pulls.pull(
            engine, full, progress, done=lambda: self._emit("image.pulled", caller, {"image": full})
        )

    async def _not_found(self, full: str, error: ImageNotFound) -> ImageNotFound:
        known: builtins.list[str] = [image.name for image in await self.list() if not is_id(image.name)]
        hint = suggestion(full, known)
        if hint.startswith("known"):
            hint = suggestion(full, known[:KNOWN_MAX])
        why = "; images.pull_policy is never" if self._policy == "never" else ""
        return ImageNotFound(
            f"the engine has no image {full!r}{why}", hint=hint or error.hint or "import or pull one"
        )
