"""Dumps of a store as a stream of bytes: everything it holds, to be kept, or loaded into another store.

A dump is JSON lines. The first says what it is, the last how much it was and the SHA-256 of all bytes before it::

    {"format": "devbench-dump", "version": 1, "made_by": "devbench-core 0.2.0", "made_at": "2026-01-01T00:00:00+00:00"}
    {"kind": "container", "key": "c_1", "revision": 3, "terms": ["alias=web"], "data": {...}}
    {"log": "x_1", "entries": [[1, "aGk="], [2, ""]]}
    {"end": {"records": 1, "logs": 1, "entries": 2, "sha256": "..."}}

Records come by rising kind and key, then logs by rising name and seq; the data of entries are in base64. The whole may
be compressed with gzip, which is seen by its first bytes. A later version is refused by name.
"""

from __future__ import annotations

from devbench_core.dumps.compression import compressed, plain
from devbench_core.dumps.form import Counts
from devbench_core.dumps.reading import read_dump
from devbench_core.dumps.writing import write_dump

__all__ = ["Counts", "compressed", "plain", "read_dump", "write_dump"]
