"""The address of any resource."""

from __future__ import annotations

from devbench_mcp.resources import fileuris, uris
from devbench_mcp.resources.fileuris import FileUri
from devbench_mcp.resources.uris import OutputUri


def parse(text: str) -> OutputUri | FileUri:
    """Read an address.

    Raises:
        NotFound: There can be no such resource.
        ValidationFailed: Its query is wrong.
    """
    return fileuris.parse(text) or uris.parse(text)
