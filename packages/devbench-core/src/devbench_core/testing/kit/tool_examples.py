"""Calls of tools with the arguments that a plugin's tests give as examples."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from devbench_core.bench import Bench
from devbench_core.errors import DevbenchError
from devbench_core.json_types import JsonObject
from devbench_core.model.link import LinkMaker
from devbench_core.tools.call import call_tool

Arguments = Mapping[str, object]
Examples = Mapping[str, Sequence[Arguments]]
"""Valid arguments by the name of a tool."""


class WithExamples:
    """Tests that call tools.

    Needs the fixtures ``tools``: a sequence of them; ``bench``: open, with the plugin, for example that of
    `fake_bench`; ``examples``: an `Examples` with one or more for each tool. They are called in their order, one after
    the other.
    """

    @pytest.fixture
    def links(self) -> LinkMaker | None:
        """Give what makes links, when a tool needs it."""
        return None


def all_of(examples: Examples) -> list[tuple[str, Arguments]]:
    """Return each example with the name of its tool, in order."""
    return [(name, arguments) for name, several in examples.items() for arguments in several]


async def call(
    bench: Bench, name: str, arguments: Arguments, links: LinkMaker | None = None
) -> JsonObject | DevbenchError:
    """Return the result, or the error that the client is told."""
    await asyncio.sleep(0)  # many calls that are refused at once would keep others from running
    try:
        return (await call_tool(bench, name, arguments, links=links)).structured
    except DevbenchError as error:
        return error
