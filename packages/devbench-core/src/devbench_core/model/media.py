"""Media types of files."""

from __future__ import annotations

from devbench_core.values import frozen

__all__ = ["UNKNOWN", "MediaType"]


@frozen
class MediaType:
    """What a file seems to be.

    Attributes:
        by_name: By the end of its name, "" when that says nothing.
        by_content: By how its content begins, "" when the beginning was not read. Text is ``text/plain``.
    """

    by_name: str
    by_content: str


UNKNOWN = MediaType(by_name="", by_content="")
