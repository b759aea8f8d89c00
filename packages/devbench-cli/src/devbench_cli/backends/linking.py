"""Asks a remote host for a link."""

from __future__ import annotations

from devbench_cli.backends.protocol import Backend
from devbench_cli.places import InContainer
from devbench_core.errors import DevbenchError, PluginNotFound, TooLarge, ValidationFailed
from devbench_core.tools.base import BASE64_MAX_BYTES
from devbench_core.tools.fs_link import FsLinkOutput

ALWAYS_SO: dict[str, object] = {"ignore": [], "overwrite": True, "mode": None}
"""Arguments that are younger than the tool: a host may not know them, and these values say what it does anyway."""


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
    told = {name: value for name, value in more.items() if name not in ALWAYS_SO or value != ALWAYS_SO[name]}
    try:
        given = {"container": place.container, "path": path or place.argument, "action": action, **told}
        return FsLinkOutput.model_validate(await backend.call("fs_link", given))
    except DevbenchError as error:
        if _is_absent(error):
            return None
        raise


def _is_absent(error: DevbenchError) -> bool:
    """Links are an offer of the HTTP host; the tool may also have been taken away, or not be as young as we are."""
    if error.code != ValidationFailed.code:
        return error.code == PluginNotFound.code
    field = error.details.get("field")
    return field == "action" or (field in ALWAYS_SO and "limit" not in error.details)


def no_links(what: str) -> TooLarge:
    """Return the error for what would need a link of a host that gives none."""
    return TooLarge(
        f"{what} is over {BASE64_MAX_BYTES} bytes, which one message holds, and the host gives no link for it",
        hint="have its tool fs_link switched on, use a newer host, copy in parts, or run this there, without --url",
        details={"limit": BASE64_MAX_BYTES},
    )
