"""The file of a key: who has it open and locked, holds the key. On a local disk none of these calls waits."""

from __future__ import annotations

import fcntl
import os
from contextlib import ExitStack, suppress
from pathlib import Path

TOKEN_DIGITS = 20


class KeyFile:
    """A file that this process has locked; it holds the key's last token."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor

    @classmethod
    def take(cls, path: Path) -> KeyFile | None:
        """Lock a file and return it, None when somebody else has it."""
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with ExitStack() as undo:
            undo.callback(os.close, descriptor)
            with suppress(BlockingIOError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                file = cls(path, descriptor)
                if file.is_in_place():
                    undo.pop_all()
                    return file
        return None

    def is_in_place(self) -> bool:
        """Tell whether the file is still the one at its path: after a removal others would lock another."""
        mine = os.fstat(self._descriptor)
        try:
            return os.path.samestat(mine, self._path.stat())
        except FileNotFoundError:
            return False

    def next_token(self, least: int) -> int:
        """Return a number above all earlier ones, and remember it. Its length is fixed, so no write is half of one."""
        last = os.pread(self._descriptor, TOKEN_DIGITS, 0)
        token = max(least, int(last) + 1 if last.isdigit() else 0)
        os.pwrite(self._descriptor, b"%0*d" % (TOKEN_DIGITS, token), 0)
        return token

    def give_back(self) -> None:
        """Unlock and close it; unlocked by word, since a child that is just being started has a copy of it open."""
        with suppress(OSError):
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        os.close(self._descriptor)
