"""Image references: ``[registry/]repository[:tag][@digest]``.

The grammar is that of the OCI Distribution Specification and of Docker's reference format: a first part counts as
a registry when it holds a dot or a colon or is ``localhost``; ``docker.io`` puts one-part names into ``library/``.
Docker also takes a first part with an upper-case letter for a registry; such a name is refused here, because its
normal form in lower case would mean something else.
"""

from __future__ import annotations

import re

from devbench_core.errors import ValidationFailed
from devbench_core.values import frozen

REFERENCE_MAX = 512
REPOSITORY_MAX = 255
DOCKER_HUB = "docker.io"
DEFAULT_TAG = "latest"
_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
_REGISTRY = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-fA-F:]{{2,45}}\])(?::[0-9]{{1,5}})?")
_PART = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")
_BARE_ID = re.compile(r"[0-9a-f]{64}")


@frozen
class ImageReference:
    """A parsed reference; `str` gives its full, normal form.

    Attributes:
        registry: Host in lower case, with the port if one was given.
        repository: Path within it.
        tag: "" when only a digest was given.
        digest: ``sha256:…``, ``sha512:…`` or "".
    """

    registry: str
    repository: str
    tag: str = ""
    digest: str = ""

    @property
    def name(self) -> str:
        """Registry and repository."""
        return f"{self.registry}/{self.repository}"

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.name}{tag}{digest}"

    @classmethod
    def parse(cls, text: str, *, default_registry: str = DOCKER_HUB) -> ImageReference:
        """Parse and normalise; ``latest`` is the tag when neither tag nor digest is given.

        Args:
            text: As somebody wrote it.
            default_registry: Where names that say no registry come from.

        Raises:
            ValidationFailed: The text is no reference; says which part is wrong.
        """
        if not 0 < len(text) <= REFERENCE_MAX:
            raise ValidationFailed("image", f"must be 1-{REFERENCE_MAX} characters", limit=REFERENCE_MAX)
        rest, at, digest = text.partition("@")
        if at and not _DIGEST.fullmatch(digest):
            raise ValidationFailed("image", f"{digest[:80]!r} is no digest like sha256:<64 hex digits>")
        registry, path = _split_registry(rest, default_registry)
        repository, tag = _split_tag(path, text)
        if registry == DOCKER_HUB and "/" not in repository:
            repository = f"library/{repository}"
        return cls(
            registry=registry,
            repository=repository,
            tag=tag or ("" if digest else DEFAULT_TAG),
            digest=digest,
        )


def check_registry(text: str) -> str:
    """Return the host of a registry in its normal form.

    Raises:
        ValidationFailed: It is none, or would not be taken for one at the beginning of a name.
    """
    if len(text) > REPOSITORY_MAX or not _REGISTRY.fullmatch(text) or not _is_registry(text):
        raise ValidationFailed("image", f"{text[:80]!r} is no registry host")
    host = text.lower()
    return DOCKER_HUB if host == f"index.{DOCKER_HUB}" else host


def _is_registry(first: str) -> bool:
    return "." in first or ":" in first or first == "localhost"


def _split_registry(text: str, default: str) -> tuple[str, str]:
    first, slash, rest = text.partition("/")
    if not slash or not _is_registry(first):
        return check_registry(default), text
    return check_registry(first), rest


def _split_tag(path: str, text: str) -> tuple[str, str]:
    repository, colon, tag = path.partition(":")
    if colon and not _TAG.fullmatch(tag):
        raise ValidationFailed("image", f"{tag[:80]!r} is no tag")
    if len(repository) > REPOSITORY_MAX or not all(_PART.fullmatch(part) for part in repository.split("/")):
        raise ValidationFailed(
            "image", f"{text[:80]!r} is no image reference like python:3.11-slim (lower case, no spaces)"
        )
    if _BARE_ID.fullmatch(repository):
        raise ValidationFailed("image", f"{text[:80]!r} looks like an id; write sha256:{repository[:12]}…")
    return repository, tag
