"""Images, as the engine knows them and as people name them."""

from __future__ import annotations

from datetime import datetime

import attrs
from pydantic import SecretStr

from devbench_core.values import frozen

__all__ = ["Image", "PullProgress", "RegistryAuth"]


@frozen
class Image:
    """An image that the engine has.

    Attributes:
        name: The full reference that resolved to it, for example ``docker.io/library/python:3.11-slim``.
        id: The engine's own content id (``sha256:…``), what a container is created from.
        digest: The repository digest (``sha256:…``) when the engine knows one, else "".
        architecture: ``amd64`` or ``arm64``.
        size_bytes: Size on disk, or None when the engine does not tell.
        created_at: When it was built, or None.
        env: The image's environment.
        working_dir: The image's working directory, "" for none.
        user: The image's user, "" for root.
        command: Entry point and command of the image, run only when a spec asks for it.
    """

    name: str
    id: str
    digest: str = ""
    architecture: str = "amd64"
    size_bytes: int | None = None
    created_at: datetime | None = None
    env: dict[str, str] = attrs.field(factory=dict[str, str])
    working_dir: str = ""
    user: str = ""
    command: tuple[str, ...] = ()


@frozen
class PullProgress:
    """One step of a pull.

    Attributes:
        status: A short sentence of the engine.
        layer: The layer's id, "" for the whole.
        done_bytes: Bytes so far, None when unknown.
        total_bytes: Bytes expected, None when unknown.
    """

    status: str
    layer: str = ""
    done_bytes: int | None = None
    total_bytes: int | None = None


@frozen
class RegistryAuth:
    """Credentials for one registry, from the operator's configuration only."""

    registry: str
    username: str
    password: SecretStr
