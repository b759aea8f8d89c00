"""What tools show of images."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from devbench_core.model.image import Image
from devbench_core.tools.views import View


class ImageView(View):
    """An image that can be spawned from."""

    name: str = Field(description="Full name; give it, or a short form of it, as `image` to spawn.")
    id: str = Field(description="The engine's id of its content.")
    digest: str = Field(default="", description="Digest in its registry, when known.")
    architecture: str = Field(description="amd64 or arm64.")
    size_bytes: int | None = Field(default=None, description="Size on disk, when known.")
    created_at: datetime | None = Field(default=None, description="When it was built, UTC, when known.")

    @classmethod
    def of(cls, image: Image) -> ImageView:
        """Return the view of an image."""
        return cls(
            name=image.name,
            id=image.id,
            digest=image.digest,
            architecture=image.architecture,
            size_bytes=image.size_bytes,
            created_at=image.created_at,
        )
