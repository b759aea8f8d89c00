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
from devbench_core.files.paths import Path, absolute_path, agent_path
from devbench_core.files.roots import folders_beneath, name_of, root_of
from devbench_core.files.settings import FileLimits
from devbench_core.model.batch import BatchDelete, BatchMkdir, BatchMove, BatchWrite
from devbench_core.values import frozen

NOTHING = OpFlag(0)
TURN = 50  # operations handled before other tasks get a turn
Ready = BatchWrite | BatchDelete | BatchMove | BatchMkdir
"""Operations whose edits are the writes that they come to."""


@frozen
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


async def plan_of(
    operations: Sequence[Ready], limits: FileLimits, roots: Sequence[str] = ()
) -> tuple[Step, ...]:
    """Return the steps.

    Raises:
        ValidationFailed: An operation is wrong, or in another root; ``details["operation"]`` says which.
        PathOutside: Likewise.
        TooLarge: With the folders to make there are more operations than an agent takes.
    """
    made = Made(limits=limits, roots=roots)
    steps: list[Step] = []
    count = 0
    for number, operation in enumerate(operations):
        if number % TURN == TURN - 1:
            await asyncio.sleep(0)  # others get a turn
        with numbered(number):
            step = _step(operation, made, count)
        steps.append(step)
        count = step.last + 1
    if count > OPERATIONS_MAX:
        raise TooLarge(
            f"the batch makes so many folders that it has {count} operations, and an agent takes {OPERATIONS_MAX}",
            hint="do it in several batches",
            details={"limit": OPERATIONS_MAX},
        )
    return tuple(steps)


@attrs.define(kw_only=True)
class Made:
    """What the operations so far say of the next ones.

    Attributes:
        limits: Of paths.
        roots: The container's further ones.
        root: That of the batch, once its first path said so.
        folders: Those that it has made.
    """

    limits: FileLimits
    roots: Sequence[str]
    root: bytes | None = None
    folders: set[bytes] = attrs.field(factory=set[bytes])

    def usable(self, path: Path, field: str = "path") -> bytes:
        """Return a path that may be changed.

        Raises:
            ValidationFailed: It is a root itself, or beneath another one than the rest of the batch.
        """
        where = agent_path(path, self.limits)
        root = root_of(where, self.roots)
        if where == root:
            what = f"the root {name_of(root)}" if root else "the workspace"
            raise ValidationFailed(field, f"is {what} itself", hint="name something in it")
        if self.root not in {None, root}:
            raise ValidationFailed(
                field,
                f"is beneath the root {name_of(root)}, and the batch began beneath {name_of(self.root or b'')}",
                hint="a batch is within one root: make one for each, or move and copy outside of a batch",
            )
        self.root = root
        return where

    def parents_of(self, path: bytes) -> list[BatchOp]:
        """Return what makes the folders above a path that this batch has not made yet."""
        folders = folders_beneath(self.root or b"", path)[:-1]
        missing = [folder for folder in folders if folder not in self.folders]
        self.folders.update(missing)
        return [BatchOp(kind=Kind.MKDIR, flags=int(OpFlag.MAY_EXIST), path=folder) for folder in missing]


def _step(operation: Ready, made: Made, before: int) -> Step:
    path = made.usable(operation.path)
    match operation:
        case BatchWrite():
            return _write(operation, path, made, before)
        case BatchDelete():
            made.folders.clear()  # it may have been one of those
            return _delete(operation, path, before)
        case BatchMove():
            target = made.usable(operation.target, "target")
            return _move(operation, path, target, made, before)
        case BatchMkdir():
            return _mkdir(operation, path, made, before)


def _write(given: BatchWrite, path: bytes, made: Made, before: int) -> Step:
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
    operations = (*(made.parents_of(path) if given.parents else ()), own)
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


def _move(given: BatchMove, path: bytes, target: bytes, made: Made, before: int) -> Step:
    if path == target:
        raise ValidationFailed("target", "is the path itself")
    etag = checked_etag(given.if_match)
    flags = (OpFlag.REPLACE if given.replace else NOTHING) | (OpFlag.IF_MATCH if etag else NOTHING)
    own = BatchOp(kind=Kind.MOVE, flags=int(flags), path=path, other=target, if_match=etag)
    operations = (*(made.parents_of(target) if given.parents else ()), own)
    made.folders.clear()  # what was moved may have been one of those
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


def _mkdir(given: BatchMkdir, path: bytes, made: Made, before: int) -> Step:
    flags = OpFlag.MAY_EXIST if given.parents else NOTHING
    own = BatchOp(kind=Kind.MKDIR, flags=int(flags), path=path)
    operations = (*(made.parents_of(path) if given.parents else ()), own)
    made.folders.add(path)
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
