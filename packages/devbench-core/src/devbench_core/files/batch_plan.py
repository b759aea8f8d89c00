"""From a caller's operations to those that the agent knows."""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager

import attrs

from devbench_core.channel.batch_messages import OPERATIONS_MAX, BatchOp, Kind, OpFlag
from devbench_core.channel.file_messages import KEEP_MODE
from devbench_core.errors import DevbenchError, TooLarge, ValidationFailed
from devbench_core.files.conditions import checked_etag, checked_mode
from devbench_core.files.paths import Path, absolute_path, relative_path
from devbench_core.files.settings import FileLimits
from devbench_core.model.batch import BatchDelete, BatchMkdir, BatchMove, BatchWrite

TEMPORARY = b".devbench-tmp-"
NOTHING = OpFlag(0)
TURN = 50  # operations handled before other tasks get a turn
Ready = BatchWrite | BatchDelete | BatchMove | BatchMkdir
"""Operations whose edits are the writes that they come to."""


@attrs.frozen(kw_only=True)
class Step:
    """One of the caller's operations.

    Attributes:
        wanted: As it was given.
        operations: What the agent does for it; the last is the operation itself, those before make folders.
        last: Index of the last among all that the agent gets.
        path: Whose path errors name.
        result: Where its result is.
        content: Of a write.
        event: What observers are told.
        event_fields: With which facts.
        reviews: What reviewers are asked: an operation's name and a path, each.
    """

    wanted: Ready
    operations: tuple[BatchOp, ...]
    last: int
    path: bytes
    result: bytes
    content: bytes = attrs.field(default=b"", repr=False)
    event: str
    event_fields: Mapping[str, object]
    reviews: tuple[tuple[str, bytes], ...]


@contextmanager
def numbered(number: int) -> Generator[None]:
    """Name the operation in the errors of a block."""
    try:
        yield
    except DevbenchError as error:
        error.message = f"operation {number} of the batch: {error.message}"
        error.args = (error.message,)
        error.details["operation"] = number
        raise


async def plan_of(operations: Sequence[Ready], limits: FileLimits) -> tuple[Step, ...]:
    """Return the steps.

    Raises:
        ValidationFailed: An operation is wrong; ``details["operation"]`` says which.
        PathOutside: Likewise.
        TooLarge: With the folders to make there are more operations than an agent takes.
    """
    made: set[bytes] = set()
    steps: list[Step] = []
    count = 0
    for number, operation in enumerate(operations):
        if number % TURN == TURN - 1:
            await asyncio.sleep(0)  # others get a turn
        with numbered(number):
            step = _step(operation, made, count, limits)
        steps.append(step)
        count = step.last + 1
    if count > OPERATIONS_MAX:
        raise TooLarge(
            f"the batch makes so many folders that it has {count} operations, and an agent takes {OPERATIONS_MAX}",
            hint="do it in several batches",
            details={"limit": OPERATIONS_MAX},
        )
    return tuple(steps)


def usable_path(path: Path, limits: FileLimits, field: str = "path") -> bytes:
    """Return a path beneath the workspace that may be changed.

    Raises:
        ValidationFailed: It is the workspace itself, or one of the agent's own names.
    """
    where = relative_path(path, limits)
    if not where:
        raise ValidationFailed(field, "is the workspace itself", hint="name something in it")
    if any(name.startswith(TEMPORARY) for name in where.split(b"/")):
        raise ValidationFailed(
            field, f"has a name that begins with {TEMPORARY.decode()!r}, which are devbench's"
        )
    return where


def parents_of(path: bytes, made: set[bytes]) -> list[BatchOp]:
    """Return what makes the folders above a path that this batch has not made yet."""
    names = path.split(b"/")[:-1]
    folders = [b"/".join(names[: n + 1]) for n in range(len(names))]
    missing = [folder for folder in folders if folder not in made]
    made.update(missing)
    return [BatchOp(kind=Kind.MKDIR, flags=int(OpFlag.MAY_EXIST), path=folder) for folder in missing]


def _step(operation: Ready, made: set[bytes], before: int, limits: FileLimits) -> Step:
    path = usable_path(operation.path, limits)
    match operation:
        case BatchWrite():
            return _write(operation, path, made, before)
        case BatchDelete():
            made.clear()  # it may have been one of those
            return _delete(operation, path, before)
        case BatchMove():
            target = usable_path(operation.target, limits, "target")
            return _move(operation, path, target, made, before)
        case BatchMkdir():
            return _mkdir(operation, path, made, before)


def _write(given: BatchWrite, path: bytes, made: set[bytes], before: int) -> Step:
    checked_mode("mode", given.mode)
    etag = checked_etag(given.if_match, exclusive=given.if_none_match)
    flags = OpFlag.IF_MATCH if etag else OpFlag.CREATE_ONLY if given.if_none_match else NOTHING
    own = BatchOp(
        kind=Kind.WRITE,
        flags=int(flags),
        mode=KEEP_MODE if given.mode is None else given.mode,
        size=len(given.data),
        path=path,
        if_match=etag,
    )
    operations = (*(parents_of(path, made) if given.parents else ()), own)
    return Step(
        wanted=given,
        operations=operations,
        last=before + len(operations) - 1,
        path=path,
        result=path,
        content=given.data,
        event="file.written",
        event_fields={"path": str(absolute_path(path))},
        reviews=(("file.write", path),),
    )


def _delete(given: BatchDelete, path: bytes, before: int) -> Step:
    etag = checked_etag(given.if_match)
    flags = (OpFlag.RECURSIVE if given.recursive else NOTHING) | (OpFlag.IF_MATCH if etag else NOTHING)
    return Step(
        wanted=given,
        operations=(BatchOp(kind=Kind.DELETE, flags=int(flags), path=path, if_match=etag),),
        last=before,
        path=path,
        result=path,
        event="file.deleted",
        event_fields={"path": str(absolute_path(path)), "recursive": given.recursive},
        reviews=(("file.delete", path),),
    )


def _move(given: BatchMove, path: bytes, target: bytes, made: set[bytes], before: int) -> Step:
    if path == target:
        raise ValidationFailed("target", "is the path itself")
    etag = checked_etag(given.if_match)
    flags = (OpFlag.REPLACE if given.replace else NOTHING) | (OpFlag.IF_MATCH if etag else NOTHING)
    own = BatchOp(kind=Kind.MOVE, flags=int(flags), path=path, other=target, if_match=etag)
    operations = (*(parents_of(target, made) if given.parents else ()), own)
    made.clear()  # what was moved may have been one of those
    return Step(
        wanted=given,
        operations=operations,
        last=before + len(operations) - 1,
        path=path,
        result=target,
        event="file.moved",
        event_fields={"path": str(absolute_path(path)), "to": str(absolute_path(target))},
        reviews=(("file.move", path), ("file.move", target)),
    )


def _mkdir(given: BatchMkdir, path: bytes, made: set[bytes], before: int) -> Step:
    flags = OpFlag.MAY_EXIST if given.parents else NOTHING
    own = BatchOp(kind=Kind.MKDIR, flags=int(flags), path=path)
    operations = (*(parents_of(path, made) if given.parents else ()), own)
    made.add(path)
    return Step(
        wanted=given,
        operations=operations,
        last=before + len(operations) - 1,
        path=path,
        result=path,
        event="file.written",
        event_fields={"path": str(absolute_path(path)), "type": "directory"},
        reviews=(("file.mkdir", path),),
    )
