"""The runtimes that need no daemon pass the same suite as an ordinary user."""

import asyncio
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

NEEDS_NO_DAEMON = "bubblewrap"
SUITE_TIMEOUT_S = 600
ROOT = Path(__file__).parents[3]


@pytest.mark.timeout(SUITE_TIMEOUT_S)
@pytest.mark.skipif(os.geteuid() != 0, reason="this run is an ordinary user's already")
async def test_the_suite_passes_as_an_ordinary_user_too(
    as_ordinary_user: Callable[[Sequence[str]], list[str]], rootfs_tar: Callable[[str], Path]
):
    for name in ("busybox", "empty", "debian"):
        await asyncio.to_thread(rootfs_tar, name)  # the ordinary user can read them, not make them
    suite = str(Path(__file__).parent)
    options = ["-q", "-k", NEEDS_NO_DAEMON, "-p", "no:cacheprovider", "--rootdir", str(ROOT), "--no-header"]
    process = await asyncio.create_subprocess_exec(
        *as_ordinary_user([sys.executable, "-m", "pytest", suite, *options]),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=ROOT,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    output, _ = await process.communicate()
    text = output.decode(errors="replace")
    assert process.returncode == 0, text[-6000:]
    assert " passed" in text
