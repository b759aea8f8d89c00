"""Completions of the variables in the addresses of resources."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mcp import types

from devbench_core.errors import DevbenchError
from devbench_core.model.caller import Caller
from devbench_core.model.container import WORKSPACE
from devbench_core.model.file import FileType
from devbench_mcp.resources import fileuris, uris

if TYPE_CHECKING:
    from devbench_core.bench import Bench

VALUES_MAX = 100
"""As many as the protocol allows."""
LOOK_MAX = 1000
"""Entries of a folder, or containers, that are looked at."""
TEMPLATES = frozenset({uris.TEMPLATE, fileuris.TEMPLATE})


async def complete(bench: Bench, params: types.CompleteRequestParams, caller: Caller) -> types.Completion:
    """Return what a variable may be; nothing where there is nothing to tell.

    Containers by id and alias, commands by id, paths by what is in their folder; folders end with a slash.
    """
    if not isinstance(params.ref, types.ResourceTemplateReference) or params.ref.uri not in TEMPLATES:
        return types.Completion(values=[])
    given = (params.context.arguments if params.context else None) or {}
    try:
        found = await _values(bench, params.argument.name, params.argument.value, given, caller)
    except DevbenchError:  # no such container or folder: then nothing completes it
        found = []
    return types.Completion(values=found[:VALUES_MAX], total=len(found), has_more=len(found) > VALUES_MAX)


async def _values(bench: Bench, name: str, value: str, given: dict[str, str], caller: Caller) -> list[str]:
    match name:
        case "container":
            return await _containers(bench, value, caller)
        case "exec_id":
            execs = await bench.execs.list(given.get("container", ""), caller=caller)
            return [record.id for record in reversed(execs) if record.id.startswith(value)]
        case "path":
            return await _paths(bench, given.get("container", ""), value, caller)
        case _:
            return []


async def _containers(bench: Bench, value: str, caller: Caller) -> list[str]:
    page = await bench.containers.list(limit=VALUES_MAX, caller=caller)
    names = [name for container in page.containers for name in (container.spec.alias, container.id) if name]
    return [name for name in names if name.startswith(value)]


async def _paths(bench: Bench, container: str, value: str, caller: Caller) -> list[str]:
    folder, slash, begun = value.rpartition("/")
    if slash and not folder:  # at / there is nothing but the ways to the roots
        policy = (await bench.containers.living(container, caller=caller)).spec.policy
        return [f"{root}/" for root in (str(WORKSPACE), *policy.file_roots) if root.startswith(value)]
    listing = await bench.files.list(container, folder or ".", limit=LOOK_MAX, caller=caller)
    found: list[str] = []
    for entry in listing.entries:
        if not entry.path.name.startswith(begun):
            continue
        found.append(folder + slash + entry.path.name + ("/" if entry.type is FileType.DIRECTORY else ""))
    return [path for path in found if path.isprintable()]
