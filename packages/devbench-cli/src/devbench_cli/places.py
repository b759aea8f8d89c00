"""Reads ``CONTAINER:PATH``."""

from __future__ import annotations

import attrs

from devbench_core.errors import ValidationFailed
from devbench_core.tools.path_text import given, shown

STANDARD = "-"
"""Stands for stdin or stdout."""


@attrs.frozen
class InContainer:
    """A path in a container, as it was written; relative ones are beneath the workspace.

    Bytes that are no UTF-8 are surrogate escapes here, however they were written.
    """

    container: str
    path: str

    def __str__(self) -> str:
        return f"{self.container}:{self.argument}"

    @property
    def argument(self) -> str:
        """The path as tools take it."""
        return shown(self.path)


def in_container(text: str) -> InContainer | None:
    """Return a place in a container, None for a path of this machine.

    What begins with ``.`` or ``/`` is a path of this machine even when it has a colon.
    """
    container, colon, path = text.partition(":")
    if not colon or text.startswith((".", "/")) or "/" in container:
        return None
    return InContainer(container, meant(path) or ".")


def meant(path: str) -> str:
    """Return what a path as written means, with surrogate escapes for what is not UTF-8.

    Raises:
        ValidationFailed: It begins as a ``file:`` URI and is none.
    """
    try:
        return given(path)
    except ValueError as error:
        raise ValidationFailed("path", f"{path!r} {error}") from error


def required(text: str, *, path: str | None = None) -> InContainer:
    """Return a place in a container.

    Args:
        text: As written.
        path: What a bare ``CONTAINER`` means; None when the path must be written.

    Raises:
        ValidationFailed: It is no such place.
    """
    place = in_container(text)
    if place is not None:
        return place
    if path is None or not text or "/" in text:
        raise ValidationFailed("path", f"{text!r} is no CONTAINER:PATH", hint="for example web:src/main.py")
    return InContainer(text, path)
