"""The use case: from the name that somebody wrote to an image that the engine has."""

from __future__ import annotations

import asyncio
import fnmatch
from collections.abc import Awaitable, Callable

from devbench_core.clock import Clock
from devbench_core.contracts.powers import SupportsPull
from devbench_core.contracts.runtime import Runtime
from devbench_core.errors import ImageNotFound, ImageRefused
from devbench_core.images.cache import ResolutionCache
from devbench_core.images.reference import ImageReference
from devbench_core.images.settings import ImageSettings
from devbench_core.model.caller import LOCAL, Caller
from devbench_core.model.image import Image, PullProgress, RegistryAuth
from devbench_core.nearest import suggestion

Progress = Callable[[PullProgress], Awaitable[None]]
Emit = Callable[[str, "Caller | None", dict[str, object]], None]


class Images:
    """Resolves, pulls and lists images."""

    def __init__(self, runtime: Runtime, settings: ImageSettings, clock: Clock, emit: Emit) -> None:
        self._runtime = runtime
        self._settings = settings
        self._emit = emit
        self.cache = ResolutionCache(clock, ttl_s=settings.cache_ttl_s, size=settings.cache_size)
        self._pulls: dict[str, _Pull] = {}

    async def resolve(
        self, name: str = "", *, caller: Caller = LOCAL, progress: Progress | None = None
    ) -> Image:
        """Return the image that a name stands for, pulling it when the policy says so.

        Concurrent calls for one image share one pull, and all of them see its progress.

        Args:
            name: A reference, an alias, or "" for the default.
            caller: Who asks.
            progress: Told about a pull.

        Raises:
            ValidationFailed: It is no reference.
            ImageRefused: No pattern of ``images.allow`` matches, or its digest cannot be pinned.
            ImageNotFound: The engine does not have it, and the policy or the registry does not give it.
            ImagePullFailed: The pull failed.
        """
        full = self.full_name(name)
        self._check_allowed(full)
        cached = self.cache.get(full)
        if cached is not None:
            return cached
        image = self._pinned(full, await self._find(full, caller, progress))
        self.cache.put(full, image)
        return image

    def full_name(self, name: str) -> str:
        """Return the normal form of a name, aliases and defaults applied.

        Raises:
            ValidationFailed: It is no reference.
        """
        named = name or self._settings.default
        named = self._settings.aliases.get(named, named)
        if not self._runtime.capabilities.images:
            return named or "host"
        if not named:
            raise ImageNotFound(
                "no image was named and none is configured", hint="name one, or set images.default"
            )
        if named.startswith("sha256:"):
            return named  # the engine's own id
        return str(ImageReference.parse(named, default_registry=self._settings.default_registry))

    async def list(self, *, caller: Caller = LOCAL) -> tuple[Image, ...]:
        """Return the images that the engine has and the operator allows."""
        _ = caller
        return tuple(image for image in await self._runtime.images() if self._allowed(image.name))

    def _allowed(self, full: str) -> bool:
        names = {full, full.removeprefix("docker.io/library/"), full.removeprefix("docker.io/")}
        return any(fnmatch.fnmatchcase(n, pattern) for n in names for pattern in self._settings.allow)

    def _check_allowed(self, full: str) -> None:
        if not self._allowed(full):
            raise ImageRefused(
                f"image {full!r} is not allowed here",
                hint=f"allowed: {', '.join(self._settings.allow) or 'none'} (images.allow)",
            )

    async def _find(self, full: str, caller: Caller, progress: Progress | None) -> Image:
        policy = self._settings.pull_policy
        power = self._runtime if isinstance(self._runtime, SupportsPull) else None
        if policy == "always" and power is not None:
            await self._pull(power, full, caller, progress)
        try:
            return await self._runtime.resolve_image(full)
        except ImageNotFound as error:
            if policy != "missing" or power is None or full.startswith("sha256:"):
                raise await self._helpful(full, policy) from error
        await self._pull(power, full, caller, progress)
        return await self._runtime.resolve_image(full)

    async def _helpful(self, full: str, policy: str) -> ImageNotFound:
        present = [image.name for image in await self._runtime.images()]
        near = suggestion(full, present[:20])
        why = "; images.pull_policy is never" if policy == "never" else ""
        return ImageNotFound(f"the engine has no image {full!r}{why}", hint=near or "import or pull one")

    async def _pull(self, power: SupportsPull, full: str, caller: Caller, progress: Progress | None) -> None:
        """Join the pull of this image that is under way, or begin it."""
        pull = self._pulls.get(full)
        if pull is None:
            pull = _Pull()
            self._pulls[full] = pull
            pull.task = asyncio.ensure_future(self._run_pull(power, full, caller, pull))
        if progress is not None:
            pull.sinks.append(progress)
        pull.waiters += 1
        try:
            await asyncio.shield(pull.task or asyncio.sleep(0))
        finally:
            pull.waiters -= 1
            if pull.waiters == 0 and pull.task is not None and not pull.task.done():
                pull.task.cancel()

    async def _run_pull(self, power: SupportsPull, full: str, caller: Caller, pull: _Pull) -> None:
        try:
            async for step in power.pull(full, self._auth(full)):
                for sink in pull.sinks:
                    await sink(step)
            self._emit("image.pulled", caller, {"image": full})
        finally:
            self._pulls.pop(full, None)

    def _auth(self, full: str) -> RegistryAuth | None:
        registry = full.partition("/")[0]
        for entry in self._settings.registries:
            if entry.registry == registry:
                return RegistryAuth(registry=registry, username=entry.username, password=entry.secret())
        return None

    def _pinned(self, full: str, image: Image) -> Image:
        if self._settings.pin_digests and self._runtime.capabilities.images and not image.digest:
            raise ImageRefused(
                f"image {full!r} has no repository digest, and images.pin_digests is on",
                hint="pull it from a registry, or push it to one first",
            )
        return image


class _Pull:
    """A pull under way, and who follows it."""

    def __init__(self) -> None:
        self.task: asyncio.Future[None] | None = None
        self.sinks: list[Progress] = []
        self.waiters = 0
