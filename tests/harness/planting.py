"""Ended commands put into a store as a host would have left them, without running anything."""

from __future__ import annotations

from datetime import datetime

from devbench_core.contracts.store import Append, Store
from devbench_core.contracts.stream import ByteStream
from devbench_core.errors import AgentUnavailable
from devbench_core.execs import records
from devbench_core.ids import EXEC, new_id
from devbench_core.journal.entry import Kept, to_entry
from devbench_core.journal.log import log_name
from devbench_core.model.execution import Chunk, Exec, ExecEnding, ExecReason, ExecState, StreamName
from harness.agent_host import CONTAINER_ID


async def nobody() -> ByteStream:
    """Connect to no agent: what has ended can be asked for without one."""
    raise AgentUnavailable("nobody is there")


async def plant(
    store: Store, at: datetime, *pieces: bytes, container_id: str = CONTAINER_ID, tenant: str = "default"
) -> Exec:
    """Put a command that ended at a time, with its output, into a store."""
    size = sum(len(piece) for piece in pieces)
    ending = ExecEnding(reason=ExecReason.EXITED, exit_code=0, at=at, output_bytes=size)
    record = Exec(
        id=new_id(EXEC),
        container_id=container_id,
        tenant=tenant,
        created_by="local",
        argv=("planted",),
        state=ExecState.ENDED,
        created_at=at,
        started_at=at,
        ending=ending,
    )
    chunks = [
        Kept(chunk=Chunk(seq=seq, stream=StreamName.STDOUT, data=piece), end=seq)
        for seq, piece in enumerate(pieces, start=1)
    ]
    entries = tuple(to_entry(chunk) for chunk in chunks)
    return await records.save(store, record, None, Append(log=log_name(record.id), entries=entries))
