"""Images: what a name means, whether it is allowed, and getting it."""

from devbench_core.images.reference import ImageReference
from devbench_core.images.service import Images

__all__ = ["ImageReference", "Images"]
