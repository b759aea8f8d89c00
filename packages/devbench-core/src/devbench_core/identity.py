"""Who this installation is on an engine that several may share."""

from __future__ import annotations

import fcntl
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from devbench_core.contracts.store import ABSENT, Put, Store
from devbench_core.errors import ConfigurationInvalid, Conflict
from devbench_core.ids import INSTALLATION, new_id

KIND = "installation"
KEY = "this"
SLOTS = 64


async def lasting(store: Store, configured: str) -> str:
    """Return the identity kept in the store, made on first use; a configured one wins and must stay the same.

    Raises:
        ConfigurationInvalid: The store belongs to another installation than the configured one.
    """
    record = await store.get(KIND, KEY)
    if record is None:
        try:
            wanted = configured or new_id(INSTALLATION)
            await store.apply(Put(kind=KIND, key=KEY, data={"id": wanted}, expect=ABSENT))
        except Conflict:
            pass  # another host was first: theirs holds
        record = await store.get(KIND, KEY)
    found = str(record.data["id"]) if record else configured
    if configured and found != configured:
        raise ConfigurationInvalid(
            f"the store belongs to installation {found!r}, the configuration says {configured!r}",
            hint="use the store of this installation, or leave `installation` out",
        )
    return found


@contextmanager
def slot(state_dir: Path, base: str) -> Generator[str, None, None]:
    """Hold an identity for a process whose store forgets everything when it ends.

    Slots are numbered and locked; the next process that takes a slot finds, by the same identity, whatever
    a killed one left on the engine.

    Raises:
        ConfigurationInvalid: All slots are taken.
    """
    folder = state_dir / "slots"
    folder.mkdir(parents=True, exist_ok=True)
    root = folder / "base"
    if not root.exists():
        root.write_text(new_id(INSTALLATION), encoding="ascii")
    for number in range(SLOTS):
        with (folder / f"{number}.lock").open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield f"{base or root.read_text(encoding='ascii')}_m{number}"
            return
    raise ConfigurationInvalid(
        f"{SLOTS} processes use the in-memory store with state folder {str(state_dir)!r}",
        hint='install devbench-store-sql and set store = "sql"',
    )
