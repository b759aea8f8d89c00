"""The program bwrap: where it is, which version, what it can."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import stat
import subprocess
import time
from pathlib import Path
from typing import TypeVar

import attrs

from devbench_core.errors import EngineFailed, EngineUnreachable
from devbench_core.values import frozen
from devbench_runtime_bubblewrap.identity import HostUser

T = TypeVar("T")
OLDEST = (0, 6, 0)
CLEAN_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
"""What bwrap itself runs with: no variable of a caller may reach a program outside a container."""


@frozen
class Program:
    """A bwrap that answered.

    Attributes:
        path: Absolute.
        version: For example ``(0, 8, 0)``.
        options: The long options that it lists, without dashes.
        setuid: Whether it is installed setuid root, as on machines without user namespaces for everybody.
        asked_s: When it was asked, by the monotonic clock.
    """

    path: Path
    version: tuple[int, ...]
    options: frozenset[str]
    setuid: bool = False
    asked_s: float = attrs.field(factory=time.monotonic)

    @property
    def version_text(self) -> str:
        """The version as people write it."""
        return text_of(self.version)


def text_of(version: tuple[int, ...]) -> str:
    """Return a version as people write it."""
    return ".".join(map(str, version))


def find_program(name: str) -> Path | None:
    """Return the absolute path of a program, None when there is none."""
    found = shutil.which(name)
    return Path(found).resolve() if found else None


async def probe_program(name: str, timeout_s: float) -> Program:
    """Ask bwrap what it is.

    Raises:
        EngineUnreachable: It is not installed.
        EngineFailed: It is too old, or answers nothing that can be understood.
    """
    path = await _found(name)
    said, listed = await asyncio.gather(
        ask([str(path), "--version"], timeout_s),
        ask([str(path), "--help"], timeout_s),
        return_exceptions=True,
    )
    version = _version_of(path, _or_raise(said))
    mode = (await asyncio.to_thread(path.stat)).st_mode
    return Program(
        path=path,
        version=version,
        options=frozenset(re.findall(r"^\s+--([a-z0-9-]+)", _or_raise(listed), re.MULTILINE)),
        setuid=bool(mode & stat.S_ISUID),
    )


async def probe_and_try(name: str, user: HostUser, timeout_s: float) -> Program:
    """Ask bwrap what it is, and see meanwhile whether it can: each of these is a process that is waited for.

    Raises:
        EngineUnreachable: As `probe_program`.
        EngineFailed: As `probe_program` and, if that is well, as `try_namespaces`.
    """
    path = await _found(name)
    program, tried = await asyncio.gather(
        probe_program(name, timeout_s), _try_namespaces(path, user, timeout_s), return_exceptions=True
    )
    asked = _or_raise(program)
    _or_raise(tried)
    return asked


def _or_raise(found: T | BaseException) -> T:
    if isinstance(found, BaseException):
        raise found
    return found


async def probe_version(name: str, timeout_s: float) -> tuple[Path, tuple[int, ...]]:
    """Ask bwrap for its version only; return where it is as well.

    Raises:
        EngineUnreachable: It is not installed.
        EngineFailed: It is too old, or answers nothing that can be understood.
    """
    path = await _found(name)
    return path, _version_of(path, await ask([str(path), "--version"], timeout_s))


async def _found(name: str) -> Path:
    path = await asyncio.to_thread(find_program, name)
    if path is None:
        raise EngineUnreachable(
            f"the program {name!r} of bubblewrap is not installed",
            hint="install it, on Debian and Ubuntu: apt-get install -y bubblewrap",
        )
    return path


def _version_of(path: Path, said: str) -> tuple[int, ...]:
    match = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", said)
    if match is None:
        raise EngineFailed(f"{path} does not tell its version: {said[:80]!r}", hint="is it bubblewrap?")
    version = tuple(int(part or 0) for part in match.groups())
    if version < OLDEST:
        raise EngineFailed(f"bubblewrap {text_of(version)} is too old", hint="version 0.6 or later is needed")
    return version


async def try_namespaces(program: Program, user: HostUser, timeout_s: float) -> None:
    """Start one process in namespaces of its own, as containers will be.

    Raises:
        EngineFailed: The kernel or its configuration does not allow it; says what bwrap said.
    """
    await _try_namespaces(program.path, user, timeout_s)


async def _try_namespaces(path: Path, user: HostUser, timeout_s: float) -> None:
    inside = ["--unshare-all", "--unshare-user", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev"]
    await ask([str(path), *inside, "--", str(path), "--version"], timeout_s, user)


async def ask(argv: list[str], timeout_s: float, user: HostUser | None = None) -> str:
    """Run a short program and return what it printed.

    Raises:
        EngineFailed: It cannot be run, did not end in time, or not well.
    """
    return await asyncio.to_thread(_ask, argv, timeout_s, user)  # starting a process blocks, too


def _ask(argv: list[str], timeout_s: float, user: HostUser | None) -> str:
    try:
        done = subprocess.run(  # noqa: S603  (our own arguments, as a list)
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=CLEAN_ENVIRONMENT,
            cwd="/",
            timeout=timeout_s,
            check=False,
            user=user.new_uid if user else None,
            group=user.new_gid if user else None,
            extra_groups=user.new_groups if user else None,
        )
    except subprocess.TimeoutExpired as error:
        raise EngineFailed(
            f"{argv[0]} did not answer within {timeout_s} s", hint="is the machine busy?"
        ) from error
    except OSError as error:
        whom = f" as user {user.uid}" if user and user.switch else ""
        raise EngineFailed(
            f"{argv[0]} cannot be run{whom}: {error.strerror}",
            hint="see plugin.bubblewrap.program and run_as",
        ) from error
    said = os.fsdecode(done.stdout).strip()
    if done.returncode != 0:
        raise EngineFailed(f"{argv[0]} failed: {said[:300] or done.returncode}")
    return said
