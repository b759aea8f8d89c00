"""Paths as JSON can carry them, exactly: as they are where they are UTF-8, else as a ``file:`` URI.

A file ``café`` whose name is in Latin-1 is shown as ``file:///workspace/caf%E9``, and every path argument takes that
form: what follows ``file://`` is the absolute path, each byte that is no ordinary character as ``%`` and two
hexadecimal digits. In any other path a ``%`` is only itself. (A folder that is really called ``file:`` is ``./file:``.)
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from urllib.parse import quote, unquote_to_bytes

from pydantic_core import PydanticCustomError

from devbench_core.files.paths import name_bytes, name_text
from devbench_core.model.container import WORKSPACE

SCHEME = "file:"
ABSOLUTE = "file:///"
ENCODED_MAX = 3 * 4095 + len(f"file://{WORKSPACE}/")
"""Characters of the longest path in this form."""
_BROKEN = re.compile(r"%(?![0-9A-Fa-f]{2})")


def shown(path: str | PurePosixPath) -> str:
    """Return a path for JSON; one that is not UTF-8 is made absolute."""
    text = str(path)
    if _is_text(text):
        return text
    absolute = text if text.startswith("/") else f"{WORKSPACE}/{text}"
    return "file://" + _quoted(absolute)


def given(text: str) -> str:
    """Return the path that an argument means, with surrogate escapes for what is not UTF-8.

    Raises:
        ValueError: It begins as the form above and then is not.
    """
    return _unquoted(text[len(ABSOLUTE) - 1 :]) if text.startswith(ABSOLUTE) else text


def shown_name(name: str) -> str:
    """Return a name, or a link's target, for JSON: ``file:`` and the quoted bytes if it is no UTF-8 or begins so."""
    if _is_text(name) and not name.startswith(SCHEME):
        return name
    return SCHEME + ("//" if name.startswith("/") else "") + _quoted(name)


def given_name(text: str) -> str:
    """Return what `shown_name` was given. Raises as `given`."""
    return _unquoted(text[len(SCHEME) :]) if text.startswith(SCHEME) else text


def _is_text(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _quoted(text: str) -> str:
    try:
        return quote(name_bytes(text), safe="/")
    except UnicodeEncodeError:  # surrogates that stand for no byte: no path at all
        return quote(text, safe="/", errors="backslashreplace")


def _unquoted(text: str) -> str:
    if _BROKEN.search(text):
        raise PydanticCustomError("path", "has a % that no two hexadecimal digits follow")
    return name_text(unquote_to_bytes(text))
