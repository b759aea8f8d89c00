"""Why an image was not pulled, in words that the registries' own are recognised by."""

from __future__ import annotations

from devbench_core.engines.answers import TEXT_MAX
from devbench_core.errors import ImagePullFailed
from devbench_core.model.image import RegistryAuth

_REFUSED = ("unauthorized", "no basic auth", "denied", "authentication required", "invalid username")
_ABSENT = ("manifest unknown", "not found", "name unknown", "repository does not exist")
_SILENT = (
    "dial tcp",
    "no such host",
    "connection refused",
    "timeout",
    "i/o",
    "server misbehaving",
    "tls:",
    "x509",
    "http response to https",
)


def pull_failed(name: str, text: str, auth: RegistryAuth | None) -> ImagePullFailed:
    """Return the error for what an engine said when it could not fetch an image."""
    lowered = text.lower()
    if any(words in lowered for words in _REFUSED):
        given = f"with the credentials of {auth.username!r}" if auth else "without credentials"
        why, hint = f"the registry refuses it {given}", "see images.registries"
    elif any(words in lowered for words in _SILENT):
        why, hint = "the registry does not answer the engine", "the engine needs a way to it"
    elif any(words in lowered for words in _ABSENT):
        why, hint = "the registry has no such image", "check name and tag"
    else:
        why, hint = "the engine could not fetch it", ""
    return ImagePullFailed(
        f"image {name!r} was not pulled: {why}", hint=hint, details={"engine": text[:TEXT_MAX]}
    )


def stalled(name: str, table: str, bound_s: float) -> ImagePullFailed:
    """Return the error for a pull that makes no progress."""
    return ImagePullFailed(
        f"pulling {name!r} made no progress for {bound_s:g} s",
        hint=f"plugin.{table}.pull_stall_timeout_s is the bound",
    )
