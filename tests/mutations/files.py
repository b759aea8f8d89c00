"""Faults of a host's files."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, cast

import attrs
import pytest

from devbench_core.channel import changecalls, filecalls
from devbench_core.channel.change_messages import Move
from devbench_core.channel.file_messages import Write, WriteFlag
from devbench_core.errors import DevbenchError
from devbench_core.files import Files, translate
from devbench_core.model.file import FileListing
from mutations.seeding import Patch, fault

FAULTS: dict[str, Patch] = {}
"""By the sentence that says what is wrong."""


@fault(FAULTS, "an etag ignores changes of the same size")
def _by_size(patches: pytest.MonkeyPatch) -> None:
    told = translate.info_of

    def changed(path: bytes, stat: Any) -> Any:
        info = told(path, stat)
        return attrs.evolve(info, etag=f"{len(info.etag) and info.size_bytes:032x}") if info.etag else info

    for module in _users_of("info_of"):
        patches.setattr(module, "info_of", changed)


def _users_of(name: str) -> list[Any]:
    """Return the modules of the operations on files that have imported something by name."""
    names = [each for each in sys.modules if each.startswith("devbench_core.files.")]
    return [sys.modules[each] for each in names if hasattr(sys.modules[each], name)]


def _write(patches: pytest.MonkeyPatch, *, without: WriteFlag, **changes: Any) -> None:
    """Have writes lose some of their flags."""
    made = cast("Callable[..., Any]", Write)

    def changed(**fields: Any) -> Any:
        return made(**{**fields, **changes, "flags": int(fields["flags"]) & ~int(without)})

    patches.setattr(filecalls, "Write", changed)


@fault(FAULTS, "the condition of a write is not looked at")
def _unconditional(patches: pytest.MonkeyPatch) -> None:
    _write(patches, without=WriteFlag.IF_MATCH, if_match="")


@fault(FAULTS, "a write that shall make a file writes over one")
def _over(patches: pytest.MonkeyPatch) -> None:
    _write(patches, without=WriteFlag.CREATE_ONLY)


@fault(FAULTS, "an append writes over")
def _append_over(patches: pytest.MonkeyPatch) -> None:
    _write(patches, without=WriteFlag.APPEND)


@fault(FAULTS, "a mode that is asked for is not given")
def _modeless(patches: pytest.MonkeyPatch) -> None:
    _write(patches, without=WriteFlag(0), mode=0o600)


@fault(FAULTS, "a move writes over whatever is there")
def _move_over(patches: pytest.MonkeyPatch) -> None:
    made = cast("Callable[..., Any]", Move)

    def changed(**fields: Any) -> Any:
        return made(**{**fields, "flags": int(fields["flags"]) & ~1})

    patches.setattr(changecalls, "Move", changed)


@fault(FAULTS, "a batch is done one by one")
def _piecemeal(patches: pytest.MonkeyPatch) -> None:
    batch = Files.batch

    async def changed(files: Files, container: str, operations: Any, **named: Any) -> Any:
        done = [await batch(files, container, [each], **named) for each in operations]
        return tuple(outcome for each in done for outcome in each)

    patches.setattr(Files, "batch", changed)


@fault(FAULTS, "hidden files are not listed")
def _hidden(patches: pytest.MonkeyPatch) -> None:
    listed = Files.list

    async def changed(files: Files, *arguments: Any, **named: Any) -> FileListing:
        page = await listed(files, *arguments, **named)
        shown = tuple(each for each in page.entries if not each.path.name.startswith("."))
        return attrs.evolve(page, entries=shown)

    patches.setattr(Files, "list", changed)


@fault(FAULTS, "an agent's refusal is an error without the path")
def _nameless(patches: pytest.MonkeyPatch) -> None:
    made = translate.error_of

    def changed(error: Any, _path: bytes) -> DevbenchError:
        return made(error, b"?")

    for module in _users_of("error_of"):
        patches.setattr(module, "error_of", changed)
