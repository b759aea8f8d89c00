"""Follows whatever an address names."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs

from devbench_core.model.caller import Caller
from devbench_mcp.resources import reading
from devbench_mcp.resources.fileuris import FileUri
from devbench_mcp.resources.filewatches import FileWatches
from devbench_mcp.resources.uris import OutputUri
from devbench_mcp.resources.watches import Ring, Watches

if TYPE_CHECKING:
    from devbench_core.bench import Bench


@attrs.frozen(kw_only=True, eq=False)
class Following:
    """Rings when a resource is to be read again.

    Attributes:
        bench: The opened core.
        outputs: Follow commands.
        files: Follow files.
    """

    bench: Bench
    outputs: Watches
    files: FileWatches

    async def follow(self, uri: OutputUri | FileUri, caller: Caller, ring: Ring) -> Callable[[], None]:
        """Ring from now on; returns how to stop that, which may be called again and again.

        Raises:
            NotFound: The caller's tenant has no such command, container or file.
        """
        if isinstance(uri, OutputUri):
            record = await reading.find(self.bench, uri, caller)
            return await self.outputs.follow(record.id, caller, ring)
        container = await self.bench.containers.get(uri.container, caller=caller)
        return await self.files.follow(container.id, uri.path, caller, ring)

    def close(self) -> None:
        """Follow nothing any longer."""
        self.outputs.close()
        self.files.close()
