"""What callers see of a shell's output and runs."""

from __future__ import annotations

import asyncio

import attrs

from devbench_core.model.execution import Page, StreamName
from devbench_core.model.shell import Shell, ShellPage, ShellRun
from devbench_core.shells import records


def before_report(page: Page, run: ShellRun | None) -> Page:
    """Return a page without the report of a run whose end is not written down yet, and what comes after that.

    A reader who passed it would not be told of the end any more.
    """
    if run is None or run.ended_at is not None:
        return page
    for index, chunk in enumerate(page.chunks):
        if (
            chunk.stream is StreamName.SIDE and chunk.seq > run.after and chunk.data.strip()
        ):  # blank: it begins
            return attrs.evolve(page, chunks=page.chunks[:index], cursor=chunk.seq - 1, ending=None)
    return page


def shown(page: Page, run: ShellRun | None, *, clip: bool, awaited: bool) -> ShellPage:
    """Return what a caller sees of a page: not the shell's own reports, and no further than its run."""
    until = run.until if clip and run is not None and run.ended_at is not None else None
    chunks = [each for each in page.chunks if until is None or each.seq <= until]
    cursor = page.cursor if until is None else min(page.cursor, until)
    seen = tuple([each for each in chunks if each.stream is not StreamName.SIDE])
    is_over = run is not None and run.ended_at is not None
    return ShellPage(
        chunks=seen,
        cursor=cursor,
        run=run,
        complete=awaited and is_over and run is not None and cursor >= run.until,
        ending=None if awaited and not is_over else page.ending,
    )


async def pause(changed: asyncio.Event | None, wait_s: float) -> None:
    """Wait for a change, where it would be told, or until the time is over."""
    try:
        async with asyncio.timeout(wait_s):
            await (changed or asyncio.Event()).wait()
    except TimeoutError:
        return


def run_of(shell: Shell, number: int | None) -> ShellRun | None:
    """Return a run by its number, or the newest.

    Raises:
        ShellNotFound: It is not remembered.
    """
    if number is None:
        return shell.runs[-1] if shell.runs else None
    for run in shell.runs:
        if run.number == number:
            return run
    raise records.not_found(f"{shell.id} run {number}")
