"""The images that were imported: root file systems by their content, and names for them.

``images/roots/DIGEST`` holds a root file system, ``images/names/NAME.json`` says which one a name means. A root appears
under its name in one step, and a name changes in one step: other processes see old or new and nothing between.
"""

from __future__ import annotations

import json
import re
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from devbench_core.errors import ImageNotFound, ValidationFailed
from devbench_runtime_bubblewrap.deletion import discard, empty
from devbench_runtime_bubblewrap.folders import PASSABLE, older_than, write_whole
from devbench_runtime_bubblewrap.images.mount_points import provide_mount_points

if TYPE_CHECKING:
    from devbench_core.model.image import Image
    from devbench_runtime_bubblewrap.images.extract import Extraction

HOST = "host"
NAME = re.compile(r"[a-z0-9][a-z0-9._/:@-]{0,127}")
PREFIX = "sha256:"
FORGOTTEN_S = 24 * 3600.0
PATH_VALUE = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ENVIRONMENT = {"PATH": PATH_VALUE, "HOME": "/workspace", "LANG": "C.UTF-8"}


class ImageStore:
    """Keeps images. All methods block."""

    def __init__(self, folder: Path, architecture: str) -> None:
        self.folder = folder
        self._architecture = architecture
        self._names = folder / "names"
        self._roots = folder / "roots"
        self._incoming = folder / "incoming"
        self._trash = folder / "trash"

    def prepare(self) -> None:
        """Make the folders, and delete what imports that died left."""
        self.folder.mkdir(mode=PASSABLE, parents=True, exist_ok=True)
        for folder in (self._names, self._roots, self._incoming, self._trash):
            folder.mkdir(exist_ok=True)
        for folder in (self.folder, self._names, self._roots):
            folder.chmod(PASSABLE)  # whatever the umask was
        for left in self._incoming.iterdir():
            if older_than(left, FORGOTTEN_S):
                discard(left, self._trash)
        empty(self._trash)

    def host(self) -> Image:
        """Return the image that is always there."""
        from devbench_core.model.image import Image  # nothing to whoever asks for none

        return Image(name=HOST, id=HOST, architecture=self._architecture, env=dict(ENVIRONMENT))

    def find(self, name: str) -> Image:
        """Return an image by its name or id.

        Raises:
            ImageNotFound: There is none.
        """
        if name in {"", HOST}:
            return self.host()
        for image in self.all():
            if name in {image.name, image.id}:
                return image
        known = ", ".join(image.name for image in self.all())
        raise ImageNotFound(
            f"bubblewrap has no image {name[:200]!r}",
            hint=f"there are: {known}; others are imported from a tar or folder of a root file system",
        )

    def all(self) -> tuple[Image, ...]:
        """Return all images by their names."""
        imported = (self._read(path) for path in self._names.glob("*.json"))
        return tuple(sorted([self.host(), *(i for i in imported if i)], key=lambda image: image.name))

    def root(self, image_id: str) -> Path | None:
        """Return the root file system of an image, None for ``host``.

        Raises:
            ImageNotFound: It is gone.
        """
        if image_id == HOST:
            return None
        path = self._roots / image_id.removeprefix(PREFIX)
        if not re.fullmatch(r"sha256:[0-9a-f]{64}", image_id) or not path.is_dir():
            raise ImageNotFound(f"the image {image_id[:80]!r} is gone", hint="import it again")
        return path

    def add(self, name: str, source: Path, *, max_bytes: int, max_entries: int) -> Image:
        """Import a root file system from a tar or a folder under a name, which is moved if it is taken.

        Raises:
            ValidationFailed: The name or the source is not usable.
            TooLarge: It is beyond the limits.
        """
        # Only imports need archives, and every start would pay for them.
        from devbench_runtime_bubblewrap.images.entries import folder_entries, tar_entries
        from devbench_runtime_bubblewrap.images.extract import Extractor

        if not NAME.fullmatch(name) or name == HOST or name.startswith(PREFIX):
            raise ValidationFailed("name", f"must match {NAME.pattern} and not be 'host'")
        if not source.exists():
            raise ValidationFailed("source", f"{source} does not exist")
        new = self._incoming / f"import.{secrets.token_hex(6)}"
        new.mkdir(mode=0o755)
        try:
            entries = folder_entries(source) if source.is_dir() else tar_entries(source)
            found = Extractor(new, max_bytes=max_bytes, max_entries=max_entries).run(entries)
            provide_mount_points(new)
            new.chmod(0o755)
            self._keep(new, found.digest)
        finally:
            discard(new, self._trash)
        return self._name(name, found)

    def delete(self, name: str) -> None:
        """Forget a name; the root file system stays while another name means it. An absent name is fine.

        The caller makes sure that no container uses it.
        """
        path = self._path(name)
        image = self._read(path)
        path.unlink(missing_ok=True)
        if image is not None and all(other.id != image.id for other in self.all()):
            discard(self._roots / image.id.removeprefix(PREFIX), self._trash)

    def _keep(self, new: Path, digest: str) -> None:
        try:
            new.rename(self._roots / digest)
        except OSError:
            if not (self._roots / digest).is_dir():
                raise  # else the same content is there already

    def _name(self, name: str, found: Extraction) -> Image:
        data: dict[str, Any] = {
            "id": PREFIX + found.digest,
            "size_bytes": found.size_bytes,
            "architecture": found.architecture or self._architecture,
            "created_at": datetime.now(UTC).isoformat(),
        }
        write_whole(self._path(name), json.dumps(data).encode())
        return self.find(name)

    def _path(self, name: str) -> Path:
        return self._names / f"{quote(name, safe='')}.json"

    def _read(self, path: Path) -> Image | None:
        try:
            data = json.loads(path.read_bytes())
        except (FileNotFoundError, ValueError):
            return None
        from devbench_core.model.image import Image

        return Image(
            name=unquote(path.stem),
            id=data["id"],
            architecture=data["architecture"],
            size_bytes=data["size_bytes"],
            created_at=datetime.fromisoformat(data["created_at"]),
            env=dict(ENVIRONMENT),
        )
