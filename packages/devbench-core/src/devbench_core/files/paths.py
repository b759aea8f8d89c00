"""What a path may look like, before any container is asked. The agent resolves it for real beneath its root.

The rules: text or a POSIX path; not empty; no NUL; relative to the workspace, or absolute beneath ``/workspace`` or
another root (see `devbench_core.files.roots`); ``.`` and repeated slashes mean nothing; ``..`` is resolved by the text
alone and may not lead out at any point; each name at most 255 bytes and the whole at most 4095. A name is its bytes:
nothing is normalised, folded, trimmed or expanded (``~``, ``%41``, a space or dot at its end are what they are). Text
stands for UTF-8 whatever the locale of the host; names that are not UTF-8 travel as surrogate escapes, as in Python.
Names that begin with ``.devbench-tmp-`` are the agent's own: listings leave them out and a sweep removes them, so
nothing of a caller's may be called so.
"""

from __future__ import annotations

from pathlib import PurePosixPath

from devbench_core.errors import PathOutside, ValidationFailed
from devbench_core.files.settings import FileLimits
from devbench_core.model.container import WORKSPACE

Path = str | PurePosixPath
RESERVED = b".devbench-tmp-"
"""What the names of the agent's temporary files begin with."""
_ROOT = WORKSPACE.parts[1:]


def agent_path(path: Path, limits: FileLimits) -> bytes:
    """Return a path as agents take it: relative to the workspace and empty for that itself, or absolute elsewhere.

    Whether an absolute one lies beneath one of a container's roots is not asked here.

    Raises:
        ValidationFailed: It is no path, or too long.
        PathOutside: It is relative and leads out of the workspace.
    """
    text = _text(path)
    names = _resolve([name for name in text.split("/") if name not in {"", "."}], text)
    if not text.startswith("/"):
        return _encode(names, limits)
    if tuple(names[: len(_ROOT)]) == _ROOT:
        return _encode(names[len(_ROOT) :], limits)
    return _encode(names, limits, begin=b"/")


def relative_path(path: Path, limits: FileLimits) -> bytes:
    """Return a path relative to the workspace, as bytes; empty for the workspace itself.

    Raises:
        ValidationFailed: It is no path, or too long.
        PathOutside: It leads out of the workspace, if it is to another root.
    """
    where = agent_path(path, limits)
    if where.startswith(b"/"):
        raise outside(str(path))
    return where


def absolute_path(where: bytes) -> PurePosixPath:
    """Return a path as callers see it."""
    return WORKSPACE / name_text(where)


def name_text(name: bytes) -> str:
    """Return the text of a name's or path's bytes; those that are no UTF-8 become surrogate escapes."""
    return name.decode("utf-8", "surrogateescape")


def name_bytes(text: str) -> bytes:
    """Return what `name_text` was given. Raises UnicodeEncodeError for other surrogates."""
    return text.encode("utf-8", "surrogateescape")


def _text(path: Path) -> str:
    if not isinstance(path, str | PurePosixPath):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ValidationFailed("path", "must be text")
    text = str(path)
    if not text:
        raise ValidationFailed("path", "is empty", hint="the workspace itself is '.'")
    if "\0" in text:
        raise ValidationFailed("path", "contains NUL")
    return text


def _resolve(names: list[str], text: str) -> list[str]:
    """Apply each ``..`` to the names before it."""
    kept: list[str] = []
    for name in names:
        if name != "..":
            kept.append(name)
        elif kept:
            kept.pop()
        else:
            raise outside(text)
    return kept


def _encode(names: list[str], limits: FileLimits, begin: bytes = b"") -> bytes:
    try:
        parts = [name_bytes(name) for name in names]
    except UnicodeEncodeError as error:
        raise ValidationFailed("path", "contains characters that cannot be encoded") from error
    longest = max((len(part) for part in parts), default=0)
    if longest > limits.name_max_bytes:
        raise ValidationFailed(
            "path",
            f"has a name of {longest} bytes, at most {limits.name_max_bytes} are allowed",
            limit=limits.name_max_bytes,
        )
    if any(part.startswith(RESERVED) for part in parts):
        raise ValidationFailed(
            "path",
            f"has a name that begins with {RESERVED.decode()!r}, as only the agent's temporary files may",
            hint="choose another name",
        )
    whole = begin + b"/".join(parts)
    if len(whole) > limits.path_max_bytes:
        raise ValidationFailed(
            "path",
            f"is {len(whole)} bytes long, at most {limits.path_max_bytes} are allowed",
            limit=limits.path_max_bytes,
        )
    return whole


def outside(text: str, *, of: str = "the workspace") -> PathOutside:
    """Return the error for a path that leads out."""
    return PathOutside(
        f"{text[:200]!r} leads out of {of}",
        hint=f"use a path beneath {WORKSPACE}, or one relative to it",
        details={"path": text[:1000]},
    )
