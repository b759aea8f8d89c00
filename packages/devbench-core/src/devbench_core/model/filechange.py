"""What changes of files give, and what edits are made of."""

from __future__ import annotations

from devbench_core.model.file import FileInfo
from devbench_core.values import frozen

__all__ = ["EditedPlace", "FileCopied", "FileEdited", "FileMoved", "ModeSet", "Replacement"]


@frozen
class FileMoved:
    """What a move gives: the new state, and whether something else had the name before."""

    info: FileInfo
    replaced: bool


@frozen
class FileCopied:
    """What a copy gives.

    Attributes:
        info: The copy.
        created: Whether its name is new.
        entries: Files, links and folders that were copied, itself included.
        size_bytes: Of their contents.
        skipped: Pipes, devices and sockets that were left out.
    """

    info: FileInfo
    created: bool
    entries: int
    size_bytes: int
    skipped: int


@frozen
class ModeSet:
    """What a change of modes gives: the path's new state, and how many files and folders were changed."""

    info: FileInfo
    changed: int


@frozen
class Replacement:
    """One exact replacement of an edit.

    Attributes:
        old: What is there, character by character; not empty.
        new: What stands there afterwards.
        count: How often ``old`` must be there; all are replaced. None: any number, at least one.
    """

    old: str
    new: str
    count: int | None = 1


@frozen
class EditedPlace:
    """Where an edit changed something.

    Attributes:
        index: Of the replacement or hunk, from 0.
        line: The first line that it changed, counted from 1 in the text as it was when its turn came.
        offset: Of a hunk: how many lines later (or, negative, earlier) than its header says it applied.
    """

    index: int
    line: int
    offset: int = 0


@frozen
class FileEdited:
    """What an edit gives.

    Attributes:
        info: The new state.
        before: The etag of what was edited.
        places: What was changed, in order; at most a hundred.
        changes: How many there are in all.
        attempts: How often it was tried: more than once when the file changed meanwhile.
    """

    info: FileInfo
    before: str
    places: tuple[EditedPlace, ...]
    changes: int
    attempts: int
