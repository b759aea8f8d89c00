"""What every store checks and encodes in the same way, so that all of them accept and refuse the same things."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import pairwise

from devbench_core.contracts.store import Append, Fence, Put, Record, Remove
from devbench_core.errors import Conflict, StaleToken, ValidationFailed
from devbench_core.json_types import JsonObject

__all__ = [
    "NAME_MAX",
    "PAGE_MAX",
    "SEQ_MAX",
    "TERMS_MAX",
    "TERM_MAX",
    "check_after",
    "check_append",
    "check_fence",
    "check_item",
    "check_limit",
    "check_name",
    "check_page",
    "check_terms",
    "decode",
    "encode",
    "not_empty",
    "revision_conflict",
    "stale_token",
]

NAME_MAX = 200
TERM_MAX = 1000
TERMS_MAX = 200
PAGE_MAX = 1000
SEQ_MAX = 2**63 - 1


def check_name(field: str, text: str, *, limit: int = NAME_MAX) -> str:
    """Return a kind, key, term or log name unchanged.

    Raises:
        ValidationFailed: It is empty, too long, holds NUL or cannot be written as UTF-8.
    """
    if not 0 < len(text) <= limit or not _is_plain(text):
        raise ValidationFailed(
            field, f"must be 1-{limit} characters of Unicode text without NUL", limit=limit
        )
    return text


def check_terms(terms: Iterable[str]) -> frozenset[str]:
    """Return terms as a set.

    Raises:
        ValidationFailed: They are too many, or one of them is empty, too long, holds NUL or cannot be written as
            UTF-8.
    """
    checked = frozenset(check_name("terms", term, limit=TERM_MAX) for term in terms)
    if len(checked) > TERMS_MAX:
        raise ValidationFailed("terms", f"must be at most {TERMS_MAX}", limit=TERMS_MAX)
    return checked


def check_page(after: str, limit: int) -> None:
    """Check where a page begins and how long it is.

    Raises:
        ValidationFailed: The limit is out of bounds, or the cursor cannot be one.
    """
    check_limit(limit)
    if after:
        check_name("after", after)


def check_limit(limit: int) -> None:
    """Check the number of entries asked for.

    Raises:
        ValidationFailed: It is out of bounds.
    """
    if not 1 <= limit <= PAGE_MAX:
        raise ValidationFailed("limit", f"must be 1-{PAGE_MAX}", limit=PAGE_MAX)


def check_after(after: int) -> None:
    """Check the sequence number after which a log is read.

    Raises:
        ValidationFailed: It is negative or too large.
    """
    if not 0 <= after <= SEQ_MAX:
        raise ValidationFailed("after", f"must be 0-{SEQ_MAX}", limit=SEQ_MAX)


def check_append(change: Append) -> Append:
    """Return an addition to a log unchanged.

    Raises:
        ValidationFailed: The log's name is wrong, or a sequence number is below 1 or too large.
    """
    check_name("log", change.log)
    if not all(1 <= entry.seq <= SEQ_MAX for entry in change.entries):
        raise ValidationFailed("seq", f"must be 1-{SEQ_MAX}", limit=SEQ_MAX)
    return change


def check_fence(change: Fence) -> Fence:
    """Return a fence unchanged.

    Raises:
        ValidationFailed: The key is wrong, or the token is below 1 or too large.
    """
    check_name("key", change.key)
    if not 1 <= change.token <= SEQ_MAX:
        raise ValidationFailed("token", f"must be 1-{SEQ_MAX}", limit=SEQ_MAX)
    return change


def check_item(item: Record | Append, after: tuple[str, ...]) -> tuple[str, ...]:
    """Check an item of a dump, and that it comes after another one.

    Args:
        item: The next one.
        after: What this function returned for the one before, () for the first.

    Raises:
        ValidationFailed: It is out of order, or none that a store takes.
    """
    place: tuple[str, ...]
    if isinstance(item, Append):
        seqs = [entry.seq for entry in check_append(item).entries]
        if not seqs or any(one >= other for one, other in pairwise(seqs)):
            raise ValidationFailed("seq", "must rise from entry to entry")
        place, last = _place_in_log(item.log, seqs[0]), _place_in_log(item.log, seqs[-1])
    else:
        check_terms(item.terms)
        if not 1 <= item.revision <= SEQ_MAX:
            raise ValidationFailed("revision", f"must be 1-{SEQ_MAX}", limit=SEQ_MAX)
        place = last = ("1 record", check_name("kind", item.kind), check_name("key", item.key))
    if place <= after:
        raise ValidationFailed("items", f"{' '.join(place[1:])!r} comes again, or too late")
    return last


def _place_in_log(log: str, seq: int) -> tuple[str, ...]:
    return "2 log", log, f"{seq:019}"


def encode(data: JsonObject) -> str:
    """Return data as JSON text in plain ASCII, which any database keeps as it is.

    Raises:
        ValidationFailed: It holds something that JSON does not know (a NaN, a date, bytes).
    """
    try:
        return json.dumps(data, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError) as error:
        raise ValidationFailed("data", f"is not JSON: {error}") from error


def decode(text: str) -> JsonObject:
    """Return the data that `encode` wrote."""
    data: JsonObject = json.loads(text)
    return data


def revision_conflict(change: Put | Remove, found: int) -> Conflict:
    """Return the error for an expectation that did not hold."""
    return Conflict(
        f"{change.kind} {change.key!r} is at revision {found}, not {change.expect}",
        hint="read it again and repeat the change",
        details={"kind": change.kind, "key": change.key, "revision": found},
    )


def stale_token(change: Fence, greatest: int) -> StaleToken:
    """Return the error for a token that was superseded."""
    return StaleToken(
        f"the lease of {change.key!r} with token {change.token} was superseded by one with token {greatest}",
        hint="stop this work; hold the lock again",
        details={"key": change.key, "token": change.token, "greatest": greatest},
    )


def not_empty(shown: str) -> Conflict:
    """Return the error for a store that was to take in a dump and holds something already."""
    return Conflict(
        f"store {shown} is not empty",
        hint="load into an empty one, or replace all that is there (`devbench db import --replace`)",
    )


def _is_plain(text: str) -> bool:
    """Tell whether a database can hold the text: no NUL, no half of a surrogate pair."""
    if "\0" in text:
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
