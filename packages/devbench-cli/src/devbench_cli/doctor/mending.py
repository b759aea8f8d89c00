"""Runs the commands that mend: as root, else through sudo without a password, else only says them."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import sys
from collections.abc import Iterable, Sequence

from devbench_core.contracts.provider import Remedy

REMEDY_TIMEOUT_S = 900.0
APT_GET = "apt-get"
QUIET_APT = ("env", "DEBIAN_FRONTEND=noninteractive")


def plan(remedies: Iterable[Remedy], *, update: bool = True) -> list[Remedy]:
    """Return remedies without repeats; package lists are fetched before the first package.

    Args:
        remedies: As the diagnoses gave them.
        update: Whether to fetch package lists.
    """
    planned = list(dict.fromkeys(remedies))
    installs = [remedy for remedy in planned if remedy.argv[:1] == (APT_GET,) and "install" in remedy.argv]
    refresh = Remedy(argv=(APT_GET, "update", "-q"))
    if update and installs and not any("update" in remedy.argv for remedy in planned):
        planned.insert(planned.index(installs[0]), refresh)
    return planned


def command_line(remedy: Remedy, *, as_root: bool | None = None) -> list[str]:
    """Return what to run: packages are installed without questions, and root's work goes through sudo."""
    root = os.geteuid() == 0 if as_root is None else as_root
    argv = list(remedy.argv)
    if argv[0] == APT_GET:
        argv = [*QUIET_APT, *argv]
        if "install" in argv and "-y" not in argv:
            argv.append("-y")
    return argv if root or not remedy.needs_root else ["sudo", "-n", *argv]


def for_people(remedy: Remedy) -> str:
    """Return the command as a person types it."""
    text = shlex.join(remedy.argv)
    return f"sudo {text}" if remedy.needs_root and os.geteuid() != 0 else text


async def mend(remedies: Sequence[Remedy]) -> bool:
    """Run the remedies in order; return whether all of them worked. What they print goes to stderr."""
    for remedy in plan(remedies):
        argv = command_line(remedy)
        sys.stderr.write(f"+ {shlex.join(argv)}\n")
        sys.stderr.flush()
        found = shutil.which(argv[0])  # blocks: a few looks, and nothing else runs
        if found is None or await _run(argv) != 0:
            sys.stderr.write(f"that did not work; run it yourself: {for_people(remedy)}\n")
            return False
    return True


async def _run(argv: Sequence[str]) -> int:
    process = await asyncio.create_subprocess_exec(
        *argv, stdin=asyncio.subprocess.DEVNULL, stdout=sys.stderr.fileno(), stderr=sys.stderr.fileno()
    )
    try:
        async with asyncio.timeout(REMEDY_TIMEOUT_S):
            return await process.wait()
    except TimeoutError:
        return -1
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
