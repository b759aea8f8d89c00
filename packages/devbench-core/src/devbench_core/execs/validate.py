"""Turns a request into the START of the agent's protocol, or refuses it by naming the field and the limit."""

from __future__ import annotations

import math
import os
import re
import signal
from collections.abc import Sized

import attrs

from devbench_core.channel.codes import LEAVE_CORE, StartFlag
from devbench_core.channel.exec_messages import ARGUMENTS_MAX, Start
from devbench_core.channel.execstream import SIGNAL_MAX
from devbench_core.errors import ValidationFailed
from devbench_core.execs.numbers import CORE_MAX_BYTES, NICE_MAX, NOFILE_MAX, TERMINAL_SIDE_MAX
from devbench_core.execs.settings import ExecLimits
from devbench_core.execs.user import check_form
from devbench_core.model.container import Container
from devbench_core.model.execution import ExecRequest, Leftovers, TerminalSize

ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
CWD_MAX_BYTES = 4095
TERM = "xterm-256color"


def start_of(request: ExecRequest, key: str, limits: ExecLimits) -> Start:
    """Validate a request.

    Args:
        request: What to run.
        key: What the agent shall call it.
        limits: Bounds.

    Raises:
        ValidationFailed: A field is wrong; nothing was done.
    """
    argv = _argv(request.argv, limits.argv_max_bytes)
    if request.stdin is not None and len(request.stdin) > limits.stdin_max_bytes:
        raise _too_big("stdin", len(request.stdin), limits.stdin_max_bytes, "execs.stdin_max_bytes")
    if not 0 <= request.queue_s <= limits.queue_max_wait_s:
        raise ValidationFailed(
            "queue_s", f"must be 0-{limits.queue_max_wait_s:g} seconds", limit=limits.queue_max_wait_s
        )
    check_form(request.user)
    timeout_s = _seconds("timeout_s", request.timeout_s, limits.max_timeout_s)
    if timeout_s is None:
        timeout_s = limits.default_timeout_s if request.tty is None else limits.terminal_timeout_s
    size = None if request.tty is None else terminal_size(request.tty)
    return Start(
        key=key,
        flags=_flags(request),
        timeout_ms=0 if timeout_s is None else milliseconds(min(timeout_s, limits.max_timeout_s)),
        grace_ms=milliseconds(grace_of(request, limits)),
        spool_bytes=limits.spool_bytes,
        nofile=0
        if request.limits.nofile is None
        else _whole("limits.nofile", request.limits.nofile, 1, NOFILE_MAX),
        core=LEAVE_CORE
        if request.limits.core_bytes is None
        else _whole("limits.core_bytes", request.limits.core_bytes, 0, CORE_MAX_BYTES),
        nice=_whole("limits.nice", request.limits.nice, 0, NICE_MAX),
        columns=0 if size is None else size.columns,
        rows=0 if size is None else size.rows,
        cwd=b"" if request.cwd is None else _text("cwd", str(request.cwd), CWD_MAX_BYTES),
        argv=argv,
        env=_env(request.env if size is None else {"TERM": TERM, **request.env}, limits.env_max_bytes),
    )


def with_environment(start: Start, container: Container) -> Start:
    """Return the START with the container's own environment beneath the command's: the last of equal names wins.

    Raises:
        ValidationFailed: Both together have more variables than a START can hold.
    """
    own = container.spec.env
    if not own:
        return start
    together = (*(os.fsencode(f"{name}={value}") for name, value in own.items()), *start.env)
    _few("env", together, "the container's own included")
    return attrs.evolve(start, env=together)


def _flags(request: ExecRequest) -> StartFlag:
    flags = StartFlag.INHERIT_ENV  # joining flags takes its time in Python, so it is done where there is one
    if request.leftovers is Leftovers.END:
        flags |= StartFlag.END_LEFTOVERS
    if request.tty is not None:
        flags |= StartFlag.TTY
    return flags


def grace_of(request: ExecRequest, limits: ExecLimits) -> float:
    """Return the time from TERM to KILL in seconds."""
    if request.grace_s is None:
        return limits.grace_s
    if not 0 <= request.grace_s <= limits.max_timeout_s:
        raise ValidationFailed(
            "grace_s", f"must be 0-{limits.max_timeout_s:g} seconds", limit=limits.max_timeout_s
        )
    return request.grace_s


def terminal_size(size: TerminalSize) -> TerminalSize:
    """Return the size.

    Raises:
        ValidationFailed: No terminal is so small or so large.
    """
    _whole("tty.columns", size.columns, 1, TERMINAL_SIDE_MAX)
    _whole("tty.rows", size.rows, 1, TERMINAL_SIDE_MAX)
    return size


def milliseconds(seconds: float) -> int:
    """Return whole milliseconds, at least one for what is above nothing."""
    return math.ceil(seconds * 1000)


def _argv(argv: tuple[str, ...], most: int) -> tuple[bytes, ...]:
    if isinstance(argv, str) or not argv:
        raise ValidationFailed("argv", "must be a list of strings with at least the program")
    _few("argv", argv)
    if not argv[0]:
        raise ValidationFailed("argv", "the program's name is empty")
    words = tuple([_text("argv", word, most) for word in argv])
    size = sum(len(word) + 1 for word in words)
    if size > most:
        raise _too_big("argv", size, most, "execs.argv_max_bytes")
    return words


def _few(field: str, strings: Sized, which: str = "") -> None:
    if len(strings) > ARGUMENTS_MAX:
        said = f"{len(strings)} strings" + (f", {which}" if which else "")
        raise ValidationFailed(field, f"has {said}, at most {ARGUMENTS_MAX} are allowed", limit=ARGUMENTS_MAX)


def _env(env: dict[str, str], most: int) -> tuple[bytes, ...]:
    _few("env", env)
    for name in env:
        if not ENV_NAME.fullmatch(name):
            raise ValidationFailed("env", f"{name[:80]!r} is not a name of a variable")
    pairs = tuple([name.encode() + b"=" + _text(f"env.{name}", value, most) for name, value in env.items()])
    size = sum(len(pair) + 1 for pair in pairs)
    if size > most:
        raise _too_big("env", size, most, "execs.env_max_bytes")
    return pairs


def _text(field: str, text: str, most: int) -> bytes:
    if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance] - callers need not be typed
        raise ValidationFailed(field, "must be text")
    if "\0" in text:
        raise ValidationFailed(field, "contains NUL")
    try:
        data = os.fsencode(text)
    except UnicodeEncodeError as error:
        raise ValidationFailed(field, "contains characters that cannot be encoded") from error
    if len(data) > most:
        raise _too_big(field, len(data), most, "")
    return data


def _seconds(field: str, value: float | None, most: float) -> float | None:
    if value is not None and not 0 < value <= most:
        raise ValidationFailed(field, f"must be above 0 and at most {most:g} seconds", limit=most)
    return value


def _whole(field: str, value: int, least: int, most: int) -> int:
    if not least <= value <= most:
        raise ValidationFailed(field, f"must be {least}-{most}", limit=most)
    return value


def signal_number(name: str | int) -> int:
    """Return the number of a signal given by number, or by name with or without ``SIG``.

    Raises:
        ValidationFailed: There is no such signal on Linux.
    """
    if isinstance(name, int):
        return _whole("signal", name, 1, SIGNAL_MAX)
    text = name.upper().removeprefix("SIG")
    known = {each.name.removeprefix("SIG"): int(each) for each in signal.Signals}
    if text not in known:
        raise ValidationFailed(
            "signal", f"{name[:40]!r} is not the name of a signal", hint="for example TERM, INT, HUP or USR1"
        )
    return known[text]


def _too_big(field: str, size: int, most: int, setting: str) -> ValidationFailed:
    hint = f"the limit is {setting}" if setting else ""
    return ValidationFailed(field, f"is {size} bytes, at most {most} are allowed", hint=hint, limit=most)
