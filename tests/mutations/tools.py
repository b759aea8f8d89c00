"""Faults of tools, seeded into one that counts a container's commands."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import attrs
from pydantic import ConfigDict, Field

from devbench_core.containers import SpawnRequest
from devbench_core.errors import Conflict, DevbenchError
from devbench_core.tool import Tool, ToolContext, ToolHints, ToolInput, ToolOutput

LOOKS = ToolHints(read_only=True, destructive=False, idempotent=True, open_world=False)
ADDS = ToolHints(read_only=False, destructive=False, idempotent=False, open_world=False)


class Count(ToolInput):
    container: str = Field(description="Which one.")
    most: int = Field(default=10, description="At most so many.")


class Counted(ToolOutput):
    count: int = Field(description="How many.")


async def count(context: ToolContext, given: Count) -> Counted:
    container = await context.bench.containers.get(given.container)
    return Counted(count=len(await context.bench.execs.list(container.id)))


SOUND = Tool(
    name="acme_count",
    title="Count",
    description="Counts the commands of a `container`. Use it to see whether anything ran.",
    input=Count,
    output=Counted,
    hints=LOOKS,
    scope="read",
    handler=count,
)
WITHOUT_EXAMPLE = "acme_sum"
"""The suite has examples for every name but this."""

FAULTS: dict[str, Callable[[], Tool]] = {}
"""By the sentence that says what is wrong."""


def shaped(sentence: str, **changes: Any) -> None:
    """Enter a tool that says something wrong of itself."""
    FAULTS[sentence] = lambda: attrs.evolve(SOUND, **changes)


def behaves(sentence: str, **changes: Any) -> Callable[[Any], Any]:
    """Enter a tool that does something wrong."""

    def enter(handler: Any) -> Any:
        shaped(sentence, handler=handler, **changes)
        return handler

    return enter


class _Open(Count):
    model_config = ConfigDict(extra="ignore")


class _Loose(Counted):
    model_config = ConfigDict(extra="allow")


class _Unexplained(Count):
    also: str = ""


class _Lax(Count):
    most: int | str = Field(  # pyright: ignore[reportIncompatibleVariableOverride] - which is the fault
        default=10,
        description="At most so many.",
        json_schema_extra=lambda field: (field.pop("anyOf"), field.update(type="integer"))[1],
    )


class _Optional(Count):
    container: str = Field(default="lab", description="Which one.")

    @classmethod
    def model_json_schema(cls, *arguments: Any, **options: Any) -> dict[str, Any]:
        return {**super().model_json_schema(*arguments, **options), "required": ["container"]}


class _Odd(Counted):
    @classmethod
    def model_json_schema(cls, *arguments: Any, **options: Any) -> dict[str, Any]:
        schema = super().model_json_schema(*arguments, **options)
        schema["properties"]["count"]["type"] = "string"
        return schema


class _Told(ToolOutput):
    text: str = Field(description="What happened.")


shaped("a tool has no example", name=WITHOUT_EXAMPLE)
shaped("a name is in capitals", name="acmeCount")
shaped("a description says nothing", description="Counts.")
shaped(
    "a description names a tool that is not there",
    description="Counts the commands of a container, which `acme_spawn` makes.",
)
shaped("arguments that nobody declared are passed over", input=_Open)
shaped("results can hold what nobody declared", output=_Loose)
shaped("an argument is not described", input=_Unexplained)
shaped("the hints say that it only reads and that it destroys", hints=attrs.evolve(LOOKS, destructive=True))
shaped("the scope is none of devbench's", scope="admin")
shaped("arguments of another type are taken", input=_Lax)
shaped("the schema requires an argument that can be left out", input=_Optional)


@behaves("a tool that only reads makes a container")
async def spawn(context: ToolContext, given: Count) -> Counted:
    _ = given
    await context.bench.containers.spawn(SpawnRequest())
    return Counted(count=1)


shaped(
    "a repeat of an idempotent tool makes one more container",
    handler=spawn,
    hints=attrs.evolve(ADDS, idempotent=True),
    scope="manage",
)


@behaves("a tool that only reads writes a file")
async def write(context: ToolContext, given: Count) -> Counted:
    await context.bench.files.write(given.container, "b", b"b")
    return Counted(count=1)


@behaves("a tool that destroys nothing deletes a file", hints=ADDS, scope="write")
async def delete(context: ToolContext, given: Count) -> Counted:
    await context.bench.files.delete(given.container, "a")
    return Counted(count=1)


@behaves("a tool that destroys nothing kills its container", hints=ADDS, scope="manage")
async def kill(context: ToolContext, given: Count) -> Counted:
    await context.bench.containers.kill(given.container)
    return Counted(count=1)


@behaves("every call is refused")
async def refuse(context: ToolContext, given: Count) -> Counted:
    raise Conflict(f"not today, {given.container}, with {context}"[:9])


@behaves("a result does not fit its schema", output=_Odd)
async def odd(context: ToolContext, given: Count) -> _Odd:
    return _Odd(count=(await count(context, given)).count)


@behaves("core's error is hidden behind another")
async def hide(context: ToolContext, given: Count) -> Counted:
    try:
        return await count(context, given)
    except DevbenchError as error:
        raise RuntimeError("cannot count") from error


@behaves("an error of core shows what is inside an unexpected one")
async def tell(context: ToolContext, given: Count) -> Counted:
    try:
        return await count(context, given)
    except DevbenchError:
        raise
    except Exception as error:
        raise Conflict(f"cannot count: {error}") from error


@behaves("a result shows what is inside an unexpected error", output=_Told)
async def answer(context: ToolContext, given: Count) -> _Told:
    try:
        await count(context, given)
    except DevbenchError:
        raise
    except Exception as error:  # noqa: BLE001 - which is the fault
        return _Told(text=repr(error))
    return _Told(text="fine")


@behaves("a cancelled call goes on")
async def cling(context: ToolContext, given: Count) -> Counted:
    while True:
        try:
            return await count(context, given)
        except asyncio.CancelledError:
            await asyncio.sleep(3600)
