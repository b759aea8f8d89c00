"""The addresses of files: ``devbench://{container}/files/{+path}{?offset,max_bytes}``."""

from __future__ import annotations

import os
import re
from urllib.parse import parse_qsl, quote, unquote_to_bytes

from devbench_core.errors import NotFound, ValidationFailed
from devbench_core.tools.base import BASE64_MAX_BYTES
from devbench_core.values import frozen

TEMPLATE = "devbench://{container}/files/{+path}{?offset,max_bytes}"
URI_MAX = 3 * 4095 + 300
BYTES_MIN = 1024
_PATTERN = re.compile(
    r"devbench://(?P<container>[A-Za-z0-9._~-]{1,128})/files/(?P<path>[^?#]*)(?:\?(?P<query>.*))?"
)
_DIGITS = re.compile(r"[0-9]{1,15}")
_PLAIN = "/~@:!$&'()*+,;="
"""What stands in a path as it is, beside letters and digits (RFC 3986, `pchar`)."""


@frozen
class FileUri:
    """The address of a file.

    Attributes:
        container: Id or alias.
        path: Relative to the workspace, or absolute; bytes that are no UTF-8 as surrogate escapes.
        offset: Where to begin, in bytes.
        max_bytes: How much to return at most, None for the usual.
    """

    container: str
    path: str
    offset: int = 0
    max_bytes: int | None = None

    def __str__(self) -> str:
        numbers = {"offset": self.offset or None, "max_bytes": self.max_bytes}
        query = "&".join(f"{name}={value}" for name, value in numbers.items() if value is not None)
        path = f"devbench://{self.container}/files/{quote(os.fsencode(self.path), safe=_PLAIN)}"
        return f"{path}?{query}" if query else path


def parse(text: str) -> FileUri | None:
    """Read an address; None when it is not that of a file.

    Raises:
        NotFound: It names no file.
        ValidationFailed: Its query is wrong.
    """
    match = _PATTERN.fullmatch(text) if len(text) <= URI_MAX else None
    if match is None:
        return None
    try:
        path = os.fsdecode(unquote_to_bytes(match["path"]))
    except UnicodeEncodeError:  # half a surrogate pair, which stands for no byte
        path = ""
    if not path.strip("/"):
        raise NotFound(f"no resource {text[:80]!r}", hint=f"addresses look like {TEMPLATE}")
    query = _query(match["query"] or "")
    most = query.get("max_bytes")
    if most is not None and not BYTES_MIN <= most <= BASE64_MAX_BYTES:
        raise ValidationFailed("max_bytes", f"must be {BYTES_MIN}-{BASE64_MAX_BYTES}", limit=BASE64_MAX_BYTES)
    return FileUri(container=match["container"], path=path, offset=query.get("offset", 0), max_bytes=most)


def _query(text: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        if name not in {"offset", "max_bytes"} or name in found:
            raise ValidationFailed(name[:80], "is no parameter here, or is there twice")
        if not _DIGITS.fullmatch(value):
            raise ValidationFailed(name, "must be a whole number that is not negative")
        found[name] = int(value)
    return found
