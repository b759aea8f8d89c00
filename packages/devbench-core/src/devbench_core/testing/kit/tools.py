"""What the tools of a plugin promise."""

from __future__ import annotations

from devbench_core.testing.kit.tool_arguments import ToolArgumentsContract
from devbench_core.testing.kit.tool_calls import ToolCallsContract
from devbench_core.testing.kit.tool_examples import Examples
from devbench_core.testing.kit.tool_hints import ToolHintsContract
from devbench_core.testing.kit.tool_shapes import ToolShapesContract


class ToolContract(ToolShapesContract, ToolArgumentsContract, ToolCallsContract, ToolHintsContract):
    """Everything that a plugin's tools promise.

    Needs the fixtures ``tools``: a sequence of them; ``bench``: open, with the plugin, for example that of
    `fake_bench`; ``examples``: an `Examples` with one or more for each tool.
    """


__all__ = [
    "Examples",
    "ToolArgumentsContract",
    "ToolCallsContract",
    "ToolContract",
    "ToolHintsContract",
    "ToolShapesContract",
]
