"""The arguments of one bwrap, with the descriptors that they name."""

from __future__ import annotations

import os
from types import TracebackType
from typing import Self


class Arguments:
    """Gathers arguments. They are handed over in a descriptor, so that no list of processes shows an environment."""

    def __init__(self) -> None:
        self._words: list[str] = []
        self._descriptors: list[int] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._descriptors:
            os.close(self._descriptors.pop())

    @property
    def words(self) -> tuple[str, ...]:
        """What was gathered so far."""
        return tuple(self._words)

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What the subprocess must inherit."""
        return tuple(self._descriptors)

    def add(self, *words: str) -> None:
        """Add words as they are."""
        self._words += words

    def content(self, data: bytes) -> str:
        """Return the number of a new descriptor from which ``data`` can be read."""
        descriptor = os.memfd_create("devbench")
        self._descriptors.append(descriptor)
        with os.fdopen(os.dup(descriptor), "wb") as file:
            file.write(data)
        os.lseek(descriptor, 0, os.SEEK_SET)
        return str(descriptor)

    def command(self, program: str, argv: tuple[str, ...]) -> list[str]:
        """Return the command line that runs all this."""
        joined = b"".join(os.fsencode(word) + b"\0" for word in self._words)
        return [program, "--args", self.content(joined), "--", *argv]
