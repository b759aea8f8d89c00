"""Images: what a name means, whether it is allowed, and getting it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from devbench_core.images.reference import ImageReference
    from devbench_core.images.service import Images

__all__ = ["ImageReference", "Images"]


def __getattr__(name: str) -> object:
    """Import either only when it is asked for: the settings beside them are read by everybody."""
    if name == "Images":
        from devbench_core.images import service

        return service.Images
    if name == "ImageReference":
        from devbench_core.images import reference

        return reference.ImageReference
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
