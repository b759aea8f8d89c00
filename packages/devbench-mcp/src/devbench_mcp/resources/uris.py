"""The addresses of resources: ``devbench://containers/{container}/execs/{exec_id}/output{?after,max_bytes}``."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl

from devbench_core.errors import NotFound, ValidationFailed
from devbench_core.ids import ALPHABET, RANDOM_LENGTH
from devbench_core.tools.base import TEXT_MAX_BYTES
from devbench_core.values import frozen

TEMPLATE = "devbench://containers/{container}/execs/{exec_id}/output{?after,max_bytes}"
URI_MAX = 500
BYTES_MIN = 1024
_ID = rf"[{ALPHABET}]{{{RANDOM_LENGTH}}}"
_PATTERN = re.compile(
    rf"devbench://containers/(?P<container>c_{_ID})/execs/(?P<exec>x_{_ID})/output(?:\?(?P<query>.*))?"
)
_DIGITS = re.compile(r"[0-9]{1,15}")


@frozen
class OutputUri:
    """The address of a command's output.

    Attributes:
        container_id: Where it runs.
        exec_id: Which command.
        after: The cursor after which to begin, None for the beginning and the end of all.
        max_bytes: How much to return at most, None for the usual.
    """

    container_id: str
    exec_id: str
    after: int | None = None
    max_bytes: int | None = None

    def __str__(self) -> str:
        numbers = {"after": self.after, "max_bytes": self.max_bytes}
        query = "&".join(f"{name}={value}" for name, value in numbers.items() if value is not None)
        path = f"devbench://containers/{self.container_id}/execs/{self.exec_id}/output"
        return f"{path}?{query}" if query else path


def parse(text: str) -> OutputUri:
    """Read an address.

    Raises:
        NotFound: There can be no such resource.
        ValidationFailed: Its query is wrong.
    """
    match = _PATTERN.fullmatch(text) if len(text) <= URI_MAX else None
    if match is None:
        raise NotFound(
            f"no resource {text[:80]!r}",
            hint=f"addresses look like {TEMPLATE}, or devbench://{{container}}/files/{{path}}",
        )
    query = _query(match["query"] or "")
    most = query.get("max_bytes")
    if most is not None and not BYTES_MIN <= most <= TEXT_MAX_BYTES:
        raise ValidationFailed("max_bytes", f"must be {BYTES_MIN}-{TEXT_MAX_BYTES}", limit=TEXT_MAX_BYTES)
    return OutputUri(
        container_id=match["container"], exec_id=match["exec"], after=query.get("after"), max_bytes=most
    )


def _query(text: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        if name not in {"after", "max_bytes"} or name in found:
            raise ValidationFailed(name[:80], "is no parameter here, or is there twice")
        if not _DIGITS.fullmatch(value):
            raise ValidationFailed(name, "must be a whole number that is not negative")
        found[name] = int(value)
    return found
