"""Nobody who waits for a write waits for ever, however its writer ends."""

from __future__ import annotations

import asyncio

import pytest

from devbench_core.errors import StoreFailed
from devbench_store_sql.jobs import Job, Jobs
from devbench_store_sql.settings import SqlSettings


async def test_who_waits_is_told_when_nobody_writes_any_more():
    jobs: Jobs[Job[int]] = Jobs(SqlSettings(write_queue=1, write_batch=1), "'s'")
    taken, waiting, outside = Job[int](), Job[int](), Job[int]()
    await jobs.put(taken)
    assert await jobs.batch() == ([taken], False)
    await jobs.put(waiting)
    putting = asyncio.create_task(jobs.put(outside))
    await asyncio.sleep(0)
    assert not putting.done()
    jobs.end(taken)
    await putting
    async with asyncio.timeout(5):
        with pytest.raises(StoreFailed, match="outcome unknown"):
            await taken.done
        for job in (waiting, outside):
            with pytest.raises(StoreFailed, match="is closed"):
                await job.done
        with pytest.raises(StoreFailed, match="is closed"):
            await jobs.put(Job[int]())


async def test_what_has_its_outcome_keeps_it():
    jobs: Jobs[Job[int]] = Jobs(SqlSettings(), "'s'")
    job = Job[int]()
    job.succeed(7)
    jobs.end(job)
    assert await job.done == 7
