"""Changes that happen together or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from devbench_core.channel import batchcalls
from devbench_core.channel.batch_messages import OpFlag, Outcome
from devbench_core.channel.batchcalls import BatchStream, OperationRefused
from devbench_core.channel.file_messages import FileFault
from devbench_core.errors import DevbenchError, FileConflict, TooLarge, ValidationFailed
from devbench_core.files.batch_plan import TURN, Ready, Step, numbered, plan_of
from devbench_core.files.conditions import condition_failed
from devbench_core.files.editing import Editing
from devbench_core.files.paths import Path, agent_path
from devbench_core.files.powers import require
from devbench_core.files.translate import info_of
from devbench_core.model.batch import (
    BatchDelete,
    BatchEdit,
    BatchMove,
    BatchOperation,
    BatchOutcome,
    BatchWrite,
)
from devbench_core.model.caller import LOCAL, Caller
from devbench_core.model.container import Container


class Batching(Editing):
    """Batches."""

    async def batch(
        self,
        container: str,
        operations: Sequence[BatchOperation],
        *,
        durable: bool = False,
        caller: Caller = LOCAL,
    ) -> tuple[BatchOutcome, ...]:
        """Do all of some operations in their order, or nothing.

        All conditions are checked before anything is changed, while no other operation through devbench goes on.
        Whoever uses the files through devbench sees all of the batch or nothing of it, also when the host, the
        agent or the container is killed in the middle. A process in the container sees each single file whole,
        old or new, and the batch bit by bit while it is carried out.

        An edit is of the file as it stands before the batch, and holds only over what was read: when the file changed
        in between the batch is tried anew, as a single edit is.

        Args:
            container: Where.
            operations: What, in order; a later one sees what an earlier one did. At most
                ``files.batch_max_operations`` with ``files.batch_max_bytes`` of content. All within one root.
            durable: Have it on disk before this returns.
            caller: Who asks.

        Raises:
            FileConflict: A condition does not hold. This and the next two name the operation in
                ``details["operation"]`` (from 0) and its path; nothing was changed.
            FileMissing: Something is not there.
            FileFailed: Something else is in the way.
            AgentOutdated: The container's agent knows no batches.
            EditFailed: An edit does not fit what the file holds.
            TooLarge: It is over a limit.
        """
        for attempt in range(1, self._limits.edit_attempts + 1):
            ready = await self._ready(container, operations, caller)
            try:
                return await self._batch(container, ready, durable=durable, caller=caller)
            except FileConflict as conflict:
                number = conflict.details.get("operation")
                anew = isinstance(number, int) and _may_be_tried_anew(operations[number])
                if not anew or attempt == self._limits.edit_attempts:
                    raise
        raise AssertionError("the last attempt returned or raised")

    async def _ready(
        self, container: str, operations: Sequence[BatchOperation], caller: Caller
    ) -> list[Ready]:
        """Return the operations with each edit as the write that it comes to."""
        most = self._limits.batch_max_operations
        if len(operations) > most:
            raise _too_large(f"the batch has {len(operations)} operations", "batch_max_operations", most)
        ready: list[Ready] = []
        touched: set[bytes] = set()
        size = 0
        for number, operation in enumerate(operations):
            if number % TURN == TURN - 1:
                await asyncio.sleep(0)  # others get a turn
            with numbered(number):
                where = agent_path(operation.path, self._limits)
                if not isinstance(operation, BatchEdit):
                    one = operation
                elif _is_at_or_beneath(where, touched):
                    raise ValidationFailed(
                        f"operations.{number}",
                        "edits what an earlier operation of the batch is about",
                        hint="write the whole content, or edit first",
                    )
                else:
                    one = await self._edited(container, operation, caller)
                touched.add(where)
                if isinstance(operation, BatchMove):
                    touched.add(agent_path(operation.target, self._limits))
            ready.append(one)
            size += len(one.data) if isinstance(one, BatchWrite) else 0
            if size > self._limits.batch_max_bytes:  # before further files are read
                raise _too_large(
                    f"the batch has {size} bytes of content or more",
                    "batch_max_bytes",
                    self._limits.batch_max_bytes,
                )
        return ready

    async def _batch(
        self, container: str, operations: Sequence[Ready], *, durable: bool, caller: Caller
    ) -> tuple[BatchOutcome, ...]:
        steps = await plan_of(operations, self._limits, await self._roots(container, operations, caller))
        checks = [(operation, where) for step in steps for operation, where in step.reviews]
        async with self._several("file.batch", container, checks, caller) as (channel, found):
            require(channel, "batch", "a batch")
            try:
                async with batchcalls.open_batch(channel, durable=durable) as stream:
                    for number, step in enumerate(steps):
                        if number % TURN == TURN - 1:
                            await asyncio.sleep(0)
                        await _send(stream, step)
                    outcomes = await stream.commit()
            except OperationRefused as error:
                raise named(error, steps) from error
        results: list[BatchOutcome] = []
        for number, step in enumerate(steps):
            if number % TURN == TURN - 1:
                await asyncio.sleep(0)
            results.append(_outcome(step, outcomes[step.last]))
            self._tell_outcome(caller, found, step, results[-1])
        return tuple(results)

    async def _roots(self, container: str, operations: Sequence[Ready], caller: Caller) -> tuple[str, ...]:
        """Return the container's further roots if some path may lie beneath one."""
        if not any(str(path).startswith("/") for operation in operations for path in _paths(operation)):
            return ()
        return (await self._context.resolve(container, caller)).spec.policy.file_roots

    def _tell_outcome(self, caller: Caller, found: Container, step: Step, result: BatchOutcome) -> None:
        fields = dict(step.event_fields)
        if result.info is not None:
            fields |= {"size_bytes": result.info.size_bytes, "created": result.created}
        self._tell(step.event, caller, found, fields)


def _paths(operation: Ready) -> tuple[Path, ...]:
    return (operation.path, operation.target) if isinstance(operation, BatchMove) else (operation.path,)


def _is_at_or_beneath(where: bytes, places: AbstractSet[bytes]) -> bool:
    while where:
        if where in places:
            return True
        where = where.rpartition(b"/")[0]
    return False


def _may_be_tried_anew(operation: BatchOperation) -> bool:
    return isinstance(operation, BatchEdit) and operation.if_match is None


async def _send(stream: BatchStream, step: Step) -> None:
    for operation in step.operations:
        await stream.add(operation)
    if step.content:
        await stream.content(step.content)


def _too_large(what: str, name: str, limit: int) -> TooLarge:
    setting = f"files.{name}"
    return TooLarge(
        f"{what}, at most {limit} are allowed",
        hint=f"raise {setting}, or do it in several batches",
        details={"limit": limit, "setting": setting},
    )


def _outcome(step: Step, outcome: Outcome) -> BatchOutcome:
    if isinstance(step.wanted, BatchDelete):
        return BatchOutcome(info=None)
    return BatchOutcome(info=info_of(step.result, outcome.stat), created=outcome.created)


def named(error: OperationRefused, steps: Sequence[Step]) -> DevbenchError:
    """Return the error of the operation that a batch was refused for, with its index among the caller's."""
    number, step = next((i, step) for i, step in enumerate(steps) if error.index <= step.last)
    own = error.index == step.last
    where = step.path if own else step.operations[error.index - step.last - 1].path
    flags = step.operations[-1].flags
    conditional = own and bool(flags & OpFlag.IF_MATCH)
    new = own and bool(flags & OpFlag.CREATE_ONLY)
    target_taken = own and error.reply.code is FileFault.EXISTS and bool(step.operations[-1].other)
    if target_taken:
        where = step.result
    found = condition_failed(error, where, conditional=conditional, new=new)
    found.message = f"operation {number} of the batch: {found.message}"
    found.args = (found.message,)
    found.details["operation"] = number
    return found
