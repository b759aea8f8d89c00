"""Which entries an import takes, and what they become beneath its folder."""

from __future__ import annotations

import attrs

from devbench_core.archives.entry import Entry, EntryType, refused
from devbench_core.errors import ArchiveRefused, TooLarge
from devbench_core.model.archive import SetId

TEMPORARY = b".devbench-tmp-"
SET_ID = 0o7000
PERMISSIONS = 0o777


@attrs.frozen(kw_only=True, eq=False)
class Taken:
    """An entry that may be made.

    Attributes:
        entry: As it claims to be.
        path: Its path beneath the folder, without dots; empty for the folder itself.
        mode: Its permission bits, without set-id bits.
        missing: Folders above it that no entry and no earlier `missing` has named.
        twin: Of a hard link, the path of the file that it shares its content with.
    """

    entry: Entry
    path: bytes
    mode: int
    missing: tuple[bytes, ...] = ()
    twin: bytes = b""


class Guard:
    """Remembers what an archive has named, and refuses what does not fit.

    Args:
        max_entries: Of the archive.
        name_max_bytes: Of one name.
        path_max_bytes: Of a path beneath the folder.
        set_id: What becomes of set-id bits.
    """

    def __init__(self, *, max_entries: int, name_max_bytes: int, path_max_bytes: int, set_id: SetId) -> None:
        self._max_entries = max_entries
        self._name_max = name_max_bytes
        self._path_max = path_max_bytes
        self._set_id = set_id
        self._seen: dict[bytes, EntryType] = {}
        self.entries = 0

    def take(self, entry: Entry) -> Taken:
        """Check an entry and remember it.

        Raises:
            ArchiveRefused: It does not fit.
            TooLarge: There are too many.
        """
        self.entries += 1
        if self.entries > self._max_entries:
            raise TooLarge(
                f"the archive has more than {self._max_entries} entries",
                hint="raise files.archive_max_entries if you trust the archive",
                details={"limit": self._max_entries, "setting": "files.archive_max_entries"},
            )
        names = self._names(entry.name, entry.name)
        path = b"/".join(names)
        if not names and entry.type is not EntryType.FOLDER:
            raise refused("name", "has no name", entry=entry.name)
        if entry.type is EntryType.LINK:
            _check_link(entry, len(names) - 1)
        twin = self._twin(entry) if entry.type is EntryType.HARD_LINK else b""
        missing = self._folders(entry, names)
        self._remember(entry, path)
        return Taken(entry=entry, path=path, mode=self._mode(entry), missing=missing, twin=twin)

    def _names(self, name: bytes, entry: bytes) -> list[bytes]:
        if b"\0" in name:
            raise refused("name", "has NUL in its name", entry=entry)
        if name.startswith(b"/"):
            raise refused("outside", "has an absolute path", entry=entry)
        names = [part for part in name.split(b"/") if part not in {b"", b"."}]
        if b".." in names:
            raise refused("outside", "has `..` in its path", entry=entry)
        if any(len(part) > self._name_max for part in names) or len(b"/".join(names)) > self._path_max:
            raise refused("name", "has too long a name", entry=entry)
        if any(part.startswith(TEMPORARY) for part in names):
            raise refused("name", f"has a name that begins with {TEMPORARY.decode()!r}", entry=entry)
        return names

    def _twin(self, entry: Entry) -> bytes:
        try:
            twin = b"/".join(self._names(entry.target, entry.name))
        except ArchiveRefused as error:
            raise refused("link_outside", "is a hard link that leads out", entry=entry.name) from error
        if self._seen.get(twin) is not EntryType.FILE:
            raise refused(
                "link_outside", "is a hard link to no file before it in the archive", entry=entry.name
            )
        return twin

    def _folders(self, entry: Entry, names: list[bytes]) -> tuple[bytes, ...]:
        missing: list[bytes] = []
        for count in range(1, len(names)):
            folder = b"/".join(names[:count])
            seen = self._seen.get(folder)
            if seen is None:
                self._seen[folder] = EntryType.FOLDER
                missing.append(folder)
            elif seen is not EntryType.FOLDER:
                raise refused(
                    "type_change", "lies beneath what is no folder in the archive", entry=entry.name
                )
        return tuple(missing)

    def _remember(self, entry: Entry, path: bytes) -> None:
        type_ = EntryType.FILE if entry.type is EntryType.HARD_LINK else entry.type
        seen = self._seen.setdefault(path, type_)
        if seen is not type_ and path:
            raise refused("type_change", f"is a {type_.value} and was a {seen.value}", entry=entry.name)

    def _mode(self, entry: Entry) -> int:
        if entry.mode & SET_ID and self._set_id is SetId.REFUSE and entry.type is not EntryType.LINK:
            raise refused(
                "set_id", "has set-id or sticky bits", entry=entry.name, hint="import with set_id 'drop'"
            )
        return entry.mode & PERMISSIONS


def _check_link(entry: Entry, depth: int) -> None:
    """Only leading ``..``, and no more than there are folders above: so no chain of links leads out."""
    target = entry.target
    if not target or b"\0" in target:
        raise refused("name", "is a link to nothing", entry=entry.name)
    if target.startswith(b"/"):
        raise refused("link_outside", "is a link to an absolute path", entry=entry.name)
    names = [part for part in target.split(b"/") if part not in {b"", b"."}]
    ups = next((i for i, part in enumerate(names) if part != b".."), len(names))
    if ups > depth or b".." in names[ups:]:
        raise refused("link_outside", "is a link that may lead out", entry=entry.name)
