"""What the operator's word means for one name: its full form, and whether it may be used."""

from __future__ import annotations

import fnmatch

from devbench_core.errors import ImageNotFound, ImageRefused, ValidationFailed
from devbench_core.images.reference import DOCKER_HUB, ImageReference
from devbench_core.images.settings import ImageSettings
from devbench_core.model.image import Image, RegistryAuth

OWN_DEFAULT = "host"
"""The image of runtimes that have none of their own to pull."""
ID_PREFIX = "sha256:"


class Rules:
    """Names and permissions of images.

    Args:
        settings: The operator's word.
        registries: Whether the runtime's images come from registries; else names are taken as they are.
    """

    def __init__(self, settings: ImageSettings, *, registries: bool) -> None:
        self._settings = settings
        self._registries = registries

    def full_name(self, name: str) -> str:
        """Return the normal form of a name, aliases and defaults applied.

        Raises:
            ValidationFailed: It is no reference.
            ImageNotFound: None was named and none is configured.
        """
        named = name or self._settings.default
        named = self._settings.aliases.get(named, named)
        if not self._registries:
            return named or OWN_DEFAULT
        if not named:
            raise ImageNotFound(
                "no image was named and none is configured", hint="name one, or set images.default"
            )
        if is_id(named):
            return named
        return str(ImageReference.parse(named, default_registry=self._settings.default_registry))

    def allows(self, name: str) -> bool:
        """Tell whether a pattern matches a name: in full, or without what everybody leaves out."""
        full = self._normal(name)
        names = {full, full.removeprefix(f"{DOCKER_HUB}/library/"), full.removeprefix(f"{DOCKER_HUB}/")}
        return any(fnmatch.fnmatchcase(n, pattern) for n in names for pattern in self._settings.allow)

    def check_allowed(self, full: str) -> None:
        """Refuse what no pattern allows.

        Raises:
            ImageRefused: No pattern matches.
        """
        if not self.allows(full):
            patterns = ", ".join(self._settings.allow) or "none"
            raise ImageRefused(
                f"image {full!r} is not allowed here",
                hint=f"allowed by images.allow: {patterns}",
                details={"image": full},
            )

    def pinned(self, full: str, image: Image) -> Image:
        """Return the image, refusing one that nothing pins where the operator wants that.

        Raises:
            ImageRefused: ``images.pin_digests`` is on and the engine knows no digest of its repository.
        """
        if self._settings.pin_digests and self._registries and not image.digest:
            raise ImageRefused(
                f"image {full!r} has no repository digest, and images.pin_digests is on",
                hint="pull it from a registry, or push it to one first",
                details={"image": full},
            )
        return image

    def credentials(self, full: str) -> RegistryAuth | None:
        """Return what the registry of a name wants to see, None when nothing is configured. Reads files.

        Raises:
            ConfigurationInvalid: The password cannot be read.
        """
        registry = full.partition("/")[0]
        for entry in self._settings.registries:
            if entry.registry == registry:
                return RegistryAuth(registry=registry, username=entry.username, password=entry.secret())
        return None

    def _normal(self, name: str) -> str:
        if not self._registries or is_id(name):
            return name
        try:
            return str(ImageReference.parse(name))
        except ValidationFailed:
            return name


def is_id(name: str) -> bool:
    """Tell whether a name is the engine's own id of an image."""
    return name.startswith(ID_PREFIX)
