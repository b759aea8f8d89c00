"""Records out of the database's rows, whichever database it is."""

from __future__ import annotations

import json
from typing import Any

from devbench_core.contracts.checks import decode
from devbench_core.contracts.store import Record
from devbench_store_sql.failures import StoreUnusable


def record_of(kind: str, row: tuple[Any, ...]) -> Record:
    """Return a record of its key, revision, data and terms.

    Raises:
        StoreUnusable: Its data or terms are not what was written; names kind and key.
    """
    key, revision, data, terms = row
    try:
        return Record(
            kind=kind, key=key, revision=revision, data=decode(data), terms=frozenset(json.loads(terms))
        )
    except (TypeError, ValueError) as error:
        raise StoreUnusable(
            f"record {kind} {key!r} is damaged: its data or terms are no JSON",
            hint="`devbench db check` lists all that is damaged; restore a backup",
            details={"kind": kind, "key": key},
        ) from error
