"""Calling a function in a process of its own that is placed elsewhere: in other control groups, as another user."""

import multiprocessing
import os
import traceback
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TypeVar, cast

from harness.ordinary_user import ordinary_ids

T = TypeVar("T")
CALL_TIMEOUT_S = 90.0
_FORK = multiprocessing.get_context("fork")


def forked(
    function: Callable[[], T],
    *,
    groups: Sequence[Path] = (),
    ordinary: bool = False,
    timeout_s: float = CALL_TIMEOUT_S,
) -> T:
    """Call a function in a fork of this process and return what it returns; everything is imported there already.

    Args:
        function: what it returns must be picklable.
        groups: the control groups that the process is in before it is called.
        ordinary: whether the ordinary user calls it, without any capability.
        timeout_s: how long it may take.

    Raises:
        RuntimeError: it raised; has the traceback. Or it took too long, and was killed.
    """
    receiver, sender = _FORK.Pipe(duplex=False)
    process = _FORK.Process(target=_child, args=(sender, function, groups, ordinary))
    process.start()
    sender.close()
    try:
        if not receiver.poll(timeout_s):
            raise RuntimeError(f"no answer within {timeout_s} s")
        value, failure = receiver.recv()
    except EOFError as error:
        process.join()
        raise RuntimeError(f"the process ended with {process.exitcode} and no answer") from error
    finally:
        process.kill()
        process.join()
        receiver.close()
    if failure:
        raise RuntimeError(failure)
    return cast("T", value)


def _child(
    sender: Connection, function: Callable[[], object], groups: Sequence[Path], ordinary: bool
) -> None:
    try:
        for group in groups:
            (group / "cgroup.procs").write_text(str(os.getpid()), "ascii")
        if ordinary:
            uid, gid = ordinary_ids()
            os.setgroups([])
            os.setresgid(gid, gid, gid)
            os.setresuid(uid, uid, uid)
        sender.send((function(), ""))
    except BaseException:  # noqa: BLE001  # whatever it is, the caller is told
        sender.send((None, traceback.format_exc()))
