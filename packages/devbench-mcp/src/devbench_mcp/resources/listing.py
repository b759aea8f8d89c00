"""The caller's running and recent commands as a list of resources."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mcp import types

from devbench_core.errors import ContainerNotFound, ValidationFailed
from devbench_core.ids import CONTAINER, is_id
from devbench_core.model.caller import Caller
from devbench_core.model.execution import Exec
from devbench_mcp.resources import fileuris
from devbench_mcp.resources.reading import MIME
from devbench_mcp.resources.uris import TEMPLATE, OutputUri

if TYPE_CHECKING:
    from devbench_core.bench import Bench

PAGE = 100
"""A page ends with the container whose commands reach this number."""
PER_CONTAINER = 50
"""Commands of one container, the newest; `exec_list` knows older ones."""
CONTAINERS = 20
"""Containers that are looked at for one page."""
TITLE_MAX = 100


def templates() -> types.ListResourceTemplatesResult:
    """Return the two kinds of resources that there are."""
    output = types.ResourceTemplate(
        name="output",
        title="Output of a command",
        uri_template=TEMPLATE,
        mime_type=MIME,
        description=(
            "What a command wrote, both streams as they came: of much, the beginning and the end. `after` is a "
            "cursor (from _meta of an earlier read, or from `exec_poll`) after which to begin; `max_bytes` "
            "bounds what is returned. It changes until the command has ended; subscribe to hear of that."
        ),
    )
    file = types.ResourceTemplate(
        name="file",
        title="File of a workspace",
        uri_template=fileuris.TEMPLATE,
        description=(
            "A file: text where it is text, else a blob. `container` is an id or alias, `path` is relative to the "
            "workspace; both complete. Of a large file the first part, and _meta has the address of the `next`. "
            "Subscribe to hear when it changes."
        ),
    )
    return types.ListResourceTemplatesResult(resource_templates=[output, file])


async def page(bench: Bench, cursor: str | None, caller: Caller) -> types.ListResourcesResult:
    """Return the outputs of the commands of a few containers of the caller's tenant.

    Args:
        bench: The opened core.
        cursor: From the last page.
        caller: Who asks.

    Raises:
        ValidationFailed: This is no cursor.
    """
    after = cursor or ""
    if after and not is_id(after, CONTAINER):
        raise ValidationFailed("cursor", "is not one of this list", hint="begin again without one")
    found: list[types.Resource] = []
    containers = await bench.containers.list(include_ended=True, after=after, limit=CONTAINERS, caller=caller)
    for index, container in enumerate(containers.containers):
        if len(found) >= PAGE:
            return types.ListResourcesResult(resources=found, next_cursor=containers.containers[index - 1].id)
        try:
            execs = await bench.execs.list(container.id, caller=caller)
        except ContainerNotFound:
            continue  # forgotten meanwhile
        found += [resource(record) for record in reversed(execs[-PER_CONTAINER:])]
    return types.ListResourcesResult(resources=found, next_cursor=containers.cursor or None)


def resource(record: Exec) -> types.Resource:
    """Return a command's output as it is listed."""
    words = " ".join(record.argv)
    title = words if len(words) <= TITLE_MAX else words[: TITLE_MAX - 1] + "…"
    ending = record.ending
    changed = ending.at if ending else record.started_at or record.created_at
    return types.Resource(
        uri=str(OutputUri(container_id=record.container_id, exec_id=record.id)),
        name=record.id,
        title=title,
        description=f"Output of a command that is {record.state}" + (f": {ending.reason}" if ending else ""),
        mime_type=MIME,
        size=ending.output_bytes if ending else None,
        annotations=types.Annotations(last_modified=changed.isoformat()),
    )
