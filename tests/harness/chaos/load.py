"""What clients do."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import Any

from harness.chaos.book import Book, now, operation
from harness.chaos.client import Client
from harness.chaos.world import AT_LENGTH, BUSY, CONTENDED, World

LINES = 600
"""Of a chatty command, of about a hundred bytes each: less than an agent keeps."""
PIECES = 3
TALKS = int(AT_LENGTH)
"""How often running commands are given input; at length only."""
INPUT_LOST = "its host died before it had all its input"
"""The host that follows cannot go on with what the first one was given: the command is ended, and that is said."""
NO_MORE_INPUT = frozenset({"closed", "ended"})
"""What is said of its input then: until the ending is there, and after that."""
SHARED = "shared"
DASHES = "-" * 80
CHATTY = f"""
i=0
while [ $i -lt {LINES} ]; do
    echo "$0 $i {DASHES}"; i=$((i+1)); [ $((i%60)) != 0 ] || sleep 0.05
done
"""
TELL = "printf '%-63s\\n' {} >> told"
"""A line of a length that divides blocks: on a full disk it is written whole or not at all."""
ONE_IN = 4
"""How many of the operations of a client name one key that others use too."""


class _LostError(Exception):
    """A command's true ending is not known, and that was told."""


class Load:
    """One client's work."""

    def __init__(self, world: World, book: Book, name: str) -> None:
        self._world = world
        self._client = Client(world, book)
        self._book = book
        self._chance = random.Random(f"{world.chance.random()}")  # noqa: S311 - repeated by its seed
        self._name = name
        self._steps: dict[Callable[[str], Awaitable[None]], int] = {
            self._run: 6,
            self._write: 3,
            self._swap: 4,
            self._share: 3,
            self._contend: 2,
            self._cancel: 1,
            self._chat: 1,
            self._talk: TALKS,
        }

    async def work(self, operations: int) -> None:
        """Do so many operations."""
        for number in range(operations):
            word = f"{self._name}-{number}"
            (step,) = self._chance.choices(list(self._steps), list(self._steps.values()))
            self._book.note(f"{step.__name__} {word}")
            try:
                await step(word)
            except _LostError as lost:  # an ending that is told, with its reason, is a promise that is kept
                self._book.note(f"lost {lost}")
            self._book.note(f"done {word}")

    def _refused(self, found: dict[str, Any]) -> bool:
        """Tell whether something was refused that may be, just now."""
        if "error" not in found:
            return False
        error = found["error"]
        allowed = {error["code"], error.get("details", {}).get("reason")} & self._world.refuses
        assert allowed, found
        self._book.note(f"refused {found}")
        return True

    async def _run(self, word: str) -> None:
        self._book.tried.add(word)
        script = f"{TELL.format(word)} && sleep 0.02; echo done {word}"
        found = await self._client.call(
            "run", container=BUSY, argv=["sh", "-c", script], idempotency_key=word, wait_s=20
        )
        if self._refused(found):
            return
        assert found["exec"]["ending"]["exit_code"] == 0, found
        assert f"done {word}\n" in text_of(found["output"]), found
        if text_of(found["output"]) == f"done {word}\n":
            self._book.ran[word] = found["exec"]["id"]
        else:
            assert self._world.refuses, found  # the shell said that it could not write

    async def _write(self, word: str) -> None:
        text = word * 20
        found = await self._client.call(
            "fs_write", container=BUSY, path=f"files/{word}", text=text, create_only=True, parents=True
        )
        if found.get("error", {}).get("code") == "file_conflict":
            assert self._client.again, found  # an earlier try had done it, and its answer was lost
        elif self._refused(found):
            return
        self._book.written[word] = text

    async def _swap(self, word: str) -> None:
        """Write to a file that all write to, if nobody else has done so meanwhile."""
        called = now()
        seen = await self._client.call("fs_read", container=BUSY, path=SHARED)
        self._book.swaps.append(operation(called, "read", key=SHARED, told=(seen["text"],)))
        called = now()
        found = await self._client.once(
            "fs_write", container=BUSY, path=SHARED, text=word, if_match=seen["file"]["etag"]
        )
        told = None if found is None else "error" not in found
        if found is not None and not told and found["error"]["code"] != "file_conflict":
            assert self._refused(found)
            return
        swap = operation(
            called, "swap", key=SHARED, asked=(seen["text"], word), told=told, known=told is not None
        )
        self._book.swaps.append(swap)

    async def _share(self, word: str) -> None:
        """Start a command by a key that others use too."""
        family, _, number = word.rpartition("-")
        key = f"{family.rpartition('-')[0]}-{SHARED}-{int(number) // ONE_IN}"
        self._book.tried.add(key)
        called = now()
        found = await self._client.call(
            "exec_start", container=BUSY, argv=["sh", "-c", TELL.format(key)], idempotency_key=key
        )
        self._book.claims.append(operation(called, "start", key=key, told=found["exec"]["id"]))

    async def _contend(self, word: str) -> None:
        """Take an alias that others want too, and give it back."""
        called = now()
        found = await self._client.call("spawn", alias=CONTENDED, persistent=True, idempotency_key=word)
        for _ in range(self._client.again):  # each try may have taken it, and had it taken away again
            for name in ("take", "give"):
                self._book.names.append(operation(called, name, key=CONTENDED, asked=word, known=False))
        if "error" in found:
            if found["error"]["code"] != "conflict":
                assert self._refused(found)
                for name in ("try", "leave"):  # it is claimed before anything is made, and others are told so
                    self._book.names.append(operation(called, name, key=CONTENDED, asked=word))
                return
            told = operation(called, "take", key=CONTENDED, asked=word, told=False)
            if not self._client.again:
                self._book.names.append(told)
            return
        self._book.names.append(operation(called, "take", key=CONTENDED, asked=word, told=True))
        called = now()
        container = found["container"]["id"]
        killed = await self._client.call("kill", container=container)
        assert killed["container"]["ending"]["reason"] == "killed", killed
        self._book.names.append(operation(called, "give", key=CONTENDED, asked=word))
        self._book.killed.append(container)

    async def _cancel(self, word: str) -> None:
        argv = ["sh", "-c", "sleep 600; :", word]
        started = await self._client.call("exec_start", container=BUSY, argv=argv, idempotency_key=word)
        exec_id = started["exec"]["id"]
        found = await self._client.call("exec_cancel", exec_id=exec_id)
        assert found["exec"]["ending"]["reason"] == "cancelled", found
        self._book.cancelled[word] = exec_id

    async def _chat(self, word: str) -> None:
        """Read much output while it is written, page by page, each from any host."""
        argv = ["sh", "-c", CHATTY, word]
        started = await self._client.call("exec_start", container=BUSY, argv=argv, idempotency_key=word)
        text = await self._output(started["exec"]["id"])
        assert text == "".join(f"{word} {number} {DASHES}\n" for number in range(LINES)), text
        self._book.outputs[started["exec"]["id"]] = text

    async def _talk(self, word: str) -> None:
        """Give a running command input; a piece whose answer was lost is given again, as nobody knows better."""
        started = await self._client.call(
            "exec_start", container=BUSY, argv=["cat"], idempotency_key=word, open_stdin=True
        )
        exec_id = started["exec"]["id"]
        pieces = [f"{word} {number}\n" for number in range(PIECES)]
        repeated: set[str] = set()
        for piece in pieces:
            while (given := await self._client.once("exec_input", exec_id=exec_id, text=piece)) is None:
                repeated.add(piece)
            if "error" in given:
                assert given["error"]["details"].get("reason") in NO_MORE_INPUT, given
                await self._output(exec_id)  # tells that it was lost
            assert given.get("complete"), given
        while (given := await self._client.once("exec_input", exec_id=exec_id, text="", eof=True)) is None:
            pass
        text = await self._output(exec_id)
        lines = text.splitlines(keepends=True)
        assert list(dict.fromkeys(lines)) == pieces, (pieces, text)
        assert {line for line in lines if lines.count(line) > 1} <= repeated, (repeated, text)
        self._book.outputs[exec_id] = text

    async def _output(self, exec_id: str) -> str:
        text, cursor = "", 0
        while True:
            page = await self._client.once("exec_poll", exec_id=exec_id, after=cursor, wait_s=2)
            if page is None:
                continue
            assert "error" not in page, page
            assert not any(piece.get("lost_bytes") for piece in page["output"]), page
            text += text_of(page["output"])
            cursor = page["cursor"]
            if page["ended"]:
                message = page["ending"]["message"]
                if page["ending"]["reason"] == "lost" or message == INPUT_LOST:
                    raise _LostError(f"{exec_id}: {page['ending']['message']}")
                assert page["ending"].get("exit_code") == 0, page
                return text


def text_of(pieces: list[dict[str, Any]]) -> str:
    """Return an output of text."""
    return "".join(piece["text"] for piece in pieces)
