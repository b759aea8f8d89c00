"""Reads a dump with distrust: what is cut, damaged or of a later version ends with an error, and never quietly."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, NoReturn, cast

from devbench_core.contracts.checks import check_item
from devbench_core.contracts.store_powers import DumpItem
from devbench_core.dumps.compression import plain
from devbench_core.dumps.form import FORMAT, LINE_MAX_BYTES, VERSION, Counts, item_of
from devbench_core.errors import DumpRefused, ValidationFailed

AGAIN = "make the dump again, or take another one; nothing was changed"


async def read_dump(
    pieces: AsyncIterator[bytes], *, counts: Counts | None = None
) -> AsyncGenerator[DumpItem]:
    """Give the items of a dump; it ends without an error only when all of it was there, byte for byte.

    Args:
        pieces: The dump, also compressed.
        counts: Where what was read is counted.

    Raises:
        DumpRefused: It is no dump, of a later version, cut, or damaged.
    """
    counted = Counts() if counts is None else counts
    digest = hashlib.sha256()
    after: tuple[str, ...] = ()
    ended = False
    number = 0
    async for line in _lines(plain(pieces)):
        number += 1
        if ended:
            _damaged(number, "something comes after the end")
        values = _values(line, number)
        if number == 1:
            _check_head(values)
        elif "end" in values:
            _check_end(values["end"], {**counted.values(), "sha256": digest.hexdigest()}, number)
            ended = True
        else:
            item = _item(values, number)
            try:
                after = check_item(item, after)
            except ValidationFailed as error:
                _damaged(number, error.message)
            counted.add(item)
            yield item
        digest.update(line)
    if number == 0:
        raise DumpRefused("it is empty", hint=AGAIN, details={"reason": "cut"})
    if not ended:
        raise DumpRefused(
            f"the dump is cut: its end is missing after line {number}",
            hint=AGAIN,
            details={"reason": "cut"},
        )


async def _lines(pieces: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    rest = bytearray()
    async for piece in pieces:
        begin = 0
        while (end := piece.find(b"\n", begin)) >= 0:
            rest += piece[begin : end + 1]
            yield bytes(rest)
            rest.clear()
            begin = end + 1
        rest += piece[begin:]
        if len(rest) > LINE_MAX_BYTES:
            raise DumpRefused(
                f"a line is longer than {LINE_MAX_BYTES} bytes", hint=AGAIN, details={"reason": "damaged"}
            )
    if rest:
        yield bytes(rest)


def _values(line: bytes, number: int) -> dict[str, Any]:
    try:
        values = json.loads(line)
    except (ValueError, RecursionError) as error:
        if number == 1:
            _no_dump()
        if not line.endswith(b"\n"):
            raise DumpRefused(
                f"the dump is cut in line {number}", hint=AGAIN, details={"reason": "cut"}
            ) from error
        _damaged(number, "it is no JSON")
    if not isinstance(values, dict):
        if number == 1:
            _no_dump()
        _damaged(number, "it is no object")
    return cast("dict[str, Any]", values)


def _check_head(values: dict[str, Any]) -> None:
    if values.get("format") != FORMAT:
        _no_dump()
    version = values.get("version")
    if version != VERSION:
        raise DumpRefused(
            f"the dump has version {version!r}, and this devbench reads {VERSION}",
            hint="upgrade devbench; nothing was changed",
            details={"reason": "version"},
        )


def _check_end(told: object, found: dict[str, object], number: int) -> None:
    if told != found:
        _damaged(number, f"the end tells {told!r}, and what was read is {found!r}")


def _item(values: dict[str, Any], number: int) -> DumpItem:
    try:
        return item_of(values)
    except ValueError as error:
        _damaged(number, str(error))


def _no_dump() -> NoReturn:
    raise DumpRefused(
        "it is no dump of devbench",
        hint="dumps are made by `devbench db export`",
        details={"reason": "format"},
    )


def _damaged(number: int, why: str) -> NoReturn:
    raise DumpRefused(
        f"the dump is damaged in line {number}: {why}", hint=AGAIN, details={"reason": "damaged"}
    )
