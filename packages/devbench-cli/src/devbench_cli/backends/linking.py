"""Asks a remote host for a link."""

from __future__ import annotations

from devbench_cli.backends.protocol import Backend
from devbench_cli.places import InContainer
from devbench_core.errors import DevbenchError, PluginNotFound, TooLarge, ValidationFailed
from devbench_core.tools.base import BASE64_MAX_BYTES
from devbench_core.tools.fs_link import FsLinkOutput


async def link_to(
    backend: Backend, place: InContainer, action: str, *, path: str | None = None, **more: object
) -> FsLinkOutput | None:
    """Return an address for something large; None when the host gives none.

    Args:
        backend: The host.
        place: What.
        action: What is to be done there.
        path: Instead of the place's own.
        more: Further arguments of ``fs_link``.
    """
    try:
        given = {"container": place.container, "path": path or place.argument, "action": action, **more}
        return FsLinkOutput.model_validate(await backend.call("fs_link", given))
    except DevbenchError as error:
        # Links are an offer of the HTTP host; the tool may also have been taken away, or be younger than the host.
        absent = error.code == ValidationFailed.code and error.details.get("field") == "action"
        if error.code == PluginNotFound.code or absent:
            return None
        raise


def no_links(what: str) -> TooLarge:
    """Return the error for what would need a link of a host that gives none."""
    return TooLarge(
        f"{what} is over {BASE64_MAX_BYTES} bytes, which one message holds, and the host gives no links",
        hint="have its tool fs_link switched on, copy in parts, or run this on the host, without --url",
        details={"limit": BASE64_MAX_BYTES},
    )
