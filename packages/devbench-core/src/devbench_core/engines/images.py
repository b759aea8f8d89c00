"""The engine's images: finding, listing, and what they declare."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any

from devbench_core.engines.answers import EngineAnswer, table
from devbench_core.engines.architectures import architecture
from devbench_core.engines.failures import translate
from devbench_core.engines.moments import moment
from devbench_core.errors import ImageNotFound, ValidationFailed
from devbench_core.images.reference import ImageReference
from devbench_core.model.image import Image

DECLARED_MAX = 256
UNTAGGED = "<none>"


class EngineImages:
    """Looks at the images of one engine.

    Args:
        inspect: Gives what the engine shows of an image, by a name or an id; raises `EngineAnswer`.
        listed: Gives the engine's list of images; raises `EngineAnswer`.
    """

    def __init__(
        self,
        inspect: Callable[[str], Awaitable[dict[str, Any]]],
        listed: Callable[[], Awaitable[list[dict[str, Any]]]],
    ) -> None:
        self._show = inspect
        self._listed = listed
        self._volumes: OrderedDict[str, tuple[str, ...]] = OrderedDict()

    async def resolve(self, name: str) -> Image:
        """Return the image that a name or an id stands for."""
        return _image(name, await self._inspect(name))

    async def all(self) -> tuple[Image, ...]:
        """Return all images, one for each name they have, sorted by name."""
        try:
            listed = await self._listed()
        except EngineAnswer as answer:
            raise translate(answer, "list its images") from answer
        async with asyncio.TaskGroup() as group:
            tasks = [
                (_names(summary), group.create_task(self._maybe(str(summary["Id"])))) for summary in listed
            ]
        found = [(names, task.result()) for names, task in tasks]
        images = [_image(name, shown) for names, shown in found if shown is not None for name in names]
        return tuple(sorted(images, key=lambda image: image.name))

    async def declared_volumes(self, image_id: str) -> tuple[str, ...]:
        """Return the paths that an image declares as volumes; remembered, as an id never changes its content."""
        found = self._volumes.get(image_id)
        if found is None:
            found = tuple(table(await self._inspect(image_id), "Config", "Volumes"))
            self._volumes[image_id] = found
            while len(self._volumes) > DECLARED_MAX:
                self._volumes.popitem(last=False)
        return found

    async def _inspect(self, name: str) -> dict[str, Any]:
        try:
            return await self._show(name)
        except EngineAnswer as answer:
            raise translate(answer, "look at", image=name) from answer

    async def _maybe(self, image_id: str) -> dict[str, Any] | None:
        """Return None for an image that vanished since it was listed."""
        try:
            return await self._inspect(image_id)
        except ImageNotFound:
            return None


def _names(summary: dict[str, Any]) -> list[str]:
    tags = [str(tag) for tag in summary.get("RepoTags") or () if UNTAGGED not in str(tag)]
    digests = [str(each) for each in summary.get("RepoDigests") or () if UNTAGGED not in str(each)]
    return [_full(name) for name in tags or digests] or [str(summary["Id"])]


def _full(name: str) -> str:
    try:
        return str(ImageReference.parse(name))
    except ValidationFailed:
        return name


def _image(name: str, shown: dict[str, Any]) -> Image:
    config = table(shown, "Config")
    pairs = (str(entry).partition("=") for entry in config.get("Env") or ())
    words = [*(config.get("Entrypoint") or ()), *(config.get("Cmd") or ())]
    return Image(
        name=name,
        id=str(shown["Id"]),
        digest=_digest(name, shown),
        architecture=architecture(shown.get("Architecture")),
        size_bytes=shown.get("Size"),
        created_at=moment(shown.get("Created")),
        env={key: value for key, _, value in pairs},
        working_dir=str(config.get("WorkingDir") or ""),
        user=str(config.get("User") or ""),
        command=tuple(str(word) for word in words),
    )


def _digest(name: str, shown: dict[str, Any]) -> str:
    """Return the digest under the name's own repository, else any; "" for an image that was built here."""
    pairs = [str(each).partition("@") for each in shown.get("RepoDigests") or ()]
    own = _repository(name)
    ours = [digest for repository, _, digest in pairs if _repository(repository) == own]
    return next(iter([*ours, *(digest for _, _, digest in pairs)]), "")


def _repository(name: str) -> str:
    try:
        return ImageReference.parse(name).name
    except ValidationFailed:
        return name
