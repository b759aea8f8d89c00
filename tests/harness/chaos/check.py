"""Compares what was promised with what is there."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from typing import Any

from harness.chaos.book import Book, now, operation
from harness.chaos.client import INSIST_S, PAUSE_S, Client
from harness.chaos.load import text_of
from harness.chaos.world import BUSY, CONTENDED, World
from harness.histories import models
from harness.histories.checker import refuted
from harness.processes import running

FREE = (False, 0)
FENCED = (0, None)


async def check(world: World, book: Book, *, one_holder: bool = True) -> None:
    """Compare everything.

    Args:
        world: Where it happened.
        book: What was told.
        one_holder: Whether the lock promises that only one believes to hold it, for as long as he does.
    """
    client = Client(world, book)
    await client.call(
        "kill", container=CONTENDED
    )  # of somebody who was not told that he had it; or of nobody
    await _take_the_alias(client, book)
    living = await _check_containers(client, book)
    await _check_files(client, book)
    await _check_commands(client, book)
    async with asyncio.timeout(INSIST_S):
        while await asyncio.to_thread(lambda: sorted(world.on_engine())) != living:
            await asyncio.sleep(
                PAUSE_S
            )  # of one that was killed while its host was, a leader removes the rest
    check_histories(book, one_holder=one_holder)


def check_histories(book: Book, *, one_holder: bool) -> None:
    """Look for an order in which all that was told can have happened."""
    leases = [each for each in book.leases if one_holder or each.name != "held"]
    assert not refuted(book.claims, models.claim, None), "a key was given twice"
    assert not refuted(book.names, models.name, None), "an alias was given twice, or not given back"
    assert not refuted(book.swaps, models.register, "start"), "a conditional write was lost, or done twice"
    assert not refuted(leases, models.mutex, FREE), "a lock was held twice"
    assert not refuted(book.fenced, models.fenced, FENCED), "a holder wrote after a later one"


async def _take_the_alias(client: Client, book: Book) -> None:
    """Take what all have given back, or had taken from them."""
    called = now()
    key = f"last-{secrets.token_hex(4)}"
    found = await client.call("spawn", alias=CONTENDED, persistent=True, idempotency_key=key)
    assert "error" not in found, found
    book.names.append(operation(called, "take", key=CONTENDED, asked="last", told=True))
    container = found["container"]["id"]
    await client.call("kill", container=container)
    book.killed.append(container)


async def _check_containers(client: Client, book: Book) -> list[str]:
    """Return those that live."""
    by_id = await _all_containers(client)
    async with asyncio.timeout(INSIST_S):
        while any(by_id[each]["status"] != "gone" for each in book.killed):  # written behind, or by a leader
            assert all(by_id[each].get("ending") for each in book.killed), "an end was taken back"
            await asyncio.sleep(PAUSE_S)
            by_id = await _all_containers(client)
    living = sorted(each for each, seen in by_id.items() if not seen.get("ending"))
    assert [by_id[each]["alias"] for each in living] == [BUSY], "a container is left"
    return living


async def _check_files(client: Client, book: Book) -> None:
    found = await client.call("fs_read", container=BUSY, path="told")
    told: Counter[str] = Counter(str(found["text"]).split())
    assert told.keys() <= book.tried
    assert set(told.values()) <= {1}, "something was done twice"
    assert set(book.ran) <= told.keys(), "an acknowledged command did nothing"
    for word, text in book.written.items():
        assert (await client.call("fs_read", container=BUSY, path=f"files/{word}"))["text"] == text


async def _check_commands(client: Client, book: Book) -> None:
    for word, exec_id in book.ran.items():
        page = await client.call("exec_poll", exec_id=exec_id, until="end", wait_s=20)
        assert text_of(page["output"]) == f"done {word}\n", (word, page)
        assert page["ending"]["exit_code"] == 0
    for exec_id, text in book.outputs.items():
        page = await client.call("exec_poll", exec_id=exec_id, until="end", wait_s=20, max_bytes=98_304)
        assert text_of(page["output"]) == text, (exec_id, page)
    for word, exec_id in book.cancelled.items():
        page = await client.call("exec_poll", exec_id=exec_id, until="end", wait_s=20)
        assert page["ending"]["reason"] == "cancelled", (word, page)
        assert not await asyncio.to_thread(running, word), "a cancelled command runs on"
    left = await client.call("exec_list", container=BUSY)
    assert not [each for each in left["execs"] if each["state"] != "ended"], "a command runs on"


async def _all_containers(client: Client) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    cursor = ""
    while True:
        page = await client.call("list_containers", include_ended=True, after=cursor)
        found |= {each["id"]: each for each in page["containers"]}
        cursor = page.get("cursor") or ""
        if not cursor:
            return found
