"""The header Range, of which one range of bytes is served (RFC 9110, section 14)."""

from __future__ import annotations

import re

from devbench_core.errors import DevbenchError
from devbench_core.model.file import FileInfo
from devbench_core.values import frozen

_ONE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


class RangeRefused(DevbenchError):
    """The range lies beyond the file's end."""

    code = "validation"


@frozen
class Range:
    """What is sent of a file.

    Attributes:
        begin: First byte.
        size: How many.
        total: Of the file.
        is_part: Whether a part was asked for.
    """

    begin: int
    size: int
    total: int
    is_part: bool = False

    @property
    def status(self) -> int:
        """The HTTP status."""
        return 206 if self.is_part else 200

    def headers(self) -> dict[str, str]:
        """Return what the answer says of it."""
        found = {"Content-Length": str(self.size)}
        if self.is_part:
            found["Content-Range"] = f"bytes {self.begin}-{self.begin + self.size - 1}/{self.total}"
        return found


def range_of(header: str | None, if_range: str | None, info: FileInfo) -> Range:
    """Return what is asked for; the whole where the header is none that is served, as the RFC says.

    Raises:
        RangeRefused: Nothing of it exists.
    """
    total = info.size_bytes
    whole = Range(begin=0, size=total, total=total)
    match = _ONE.fullmatch(header or "")
    if match is None or (if_range is not None and if_range != f'"{info.etag}"'):
        return whole
    first, last = match[1], match[2]
    if not first and not last:
        return whole
    if not first:
        size = min(int(last), total)
        begin = total - size
    else:
        begin = int(first)
        end = min(int(last), total - 1) if last else total - 1
        if last and int(last) < begin:
            return whole
        size = end - begin + 1
    if begin >= total or size <= 0:
        raise RangeRefused(f"the file has {total} bytes", details={"limit": total})
    return Range(begin=begin, size=size, total=total, is_part=True)
