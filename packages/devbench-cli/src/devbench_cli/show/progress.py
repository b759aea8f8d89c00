"""Progress bars on stderr, where a person looks."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from devbench_cli.options import Options
from devbench_core.tool import ProgressSink

if TYPE_CHECKING:
    from rich.progress import Progress

BAR_WIDTH = 24
NUMBERS_WIDTH = 12
NOTE_WIDTH = 18


async def _silent(_done: float, _total: float | None, _message: str) -> None:
    return None


@contextmanager
def bar(title: str, options: Options) -> Generator[ProgressSink]:
    """Give a sink that draws a bar of bytes from its first call on.

    It draws nothing off a terminal, with ``--quiet`` or with ``--json``.
    """
    if not sys.stderr.isatty() or options.quiet or options.as_json:
        yield _silent
        return
    progress = _progress()
    task = progress.add_task(title, total=None, note="", start=True)

    async def sink(done: float, total: float | None, message: str) -> None:
        progress.start()
        progress.update(task, completed=done, total=total, note=message)

    try:
        yield sink
    finally:
        progress.stop()


def _progress() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
    from rich.table import Column

    # Where there is too little room the words are cut, not the numbers.
    title = Column(no_wrap=True, overflow="ellipsis")
    note = Column(no_wrap=True, overflow="ellipsis", max_width=NOTE_WIDTH)
    return Progress(
        TextColumn("{task.description}", markup=False, table_column=title),
        BarColumn(bar_width=BAR_WIDTH),
        DownloadColumn(table_column=Column(no_wrap=True, min_width=NUMBERS_WIDTH)),
        TransferSpeedColumn(table_column=Column(no_wrap=True, min_width=NUMBERS_WIDTH)),
        TextColumn("{task.fields[note]}", markup=False, table_column=note),
        console=Console(stderr=True),
    )
