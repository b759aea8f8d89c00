"""Media types by name and by content: a table of our own, then Python's; no file of this machine is asked."""

from __future__ import annotations

import mimetypes
from pathlib import PurePosixPath

from devbench_core.model.media import MediaType

BINARY = "application/octet-stream"
TEXT = "text/plain"
EMPTY = "application/x-empty"
SNIFF_BYTES = 4096
TAR_AT = 257
_TABLE = mimetypes.MimeTypes(filenames=())  # Python's own table, and no file of this machine
_OURS = {
    **dict.fromkeys((".toml", ".lock"), "application/toml"),
    **dict.fromkeys((".yaml", ".yml"), "application/yaml"),
    **dict.fromkeys((".ts", ".tsx", ".mts", ".cts"), "text/x-typescript"),
    **dict.fromkeys((".md", ".markdown"), "text/markdown"),
    **dict.fromkeys((".sh", ".bash"), "application/x-sh"),
    **dict.fromkeys((".c", ".h"), "text/x-c"),
    **dict.fromkeys((".cc", ".cpp", ".cxx", ".hpp", ".hh"), "text/x-c++"),
    **dict.fromkeys((".jsonl", ".ndjson"), "application/x-ndjson"),
    **dict.fromkeys((".ini", ".cfg", ".conf", ".env", ".log", ".rst"), TEXT),
    ".rs": "text/x-rust",
    ".go": "text/x-go",
    ".java": "text/x-java",
    ".kt": "text/x-kotlin",
    ".rb": "text/x-ruby",
    ".php": "text/x-php",
    ".sql": "application/sql",
    ".diff": "text/x-diff",
    ".patch": "text/x-diff",
    ".ipynb": "application/x-ipynb+json",
    ".parquet": "application/vnd.apache.parquet",
    ".sqlite": "application/vnd.sqlite3",
    ".db": "application/vnd.sqlite3",
    ".zst": "application/zstd",
    ".7z": "application/x-7z-compressed",
    ".gz": "application/gzip",
    ".xz": "application/x-xz",
    ".bz2": "application/x-bzip2",
    ".whl": "application/zip",
}
_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", "application/pdf"),
    (b"PK\x03\x04", "application/zip"),
    (b"PK\x05\x06", "application/zip"),
    (b"\x1f\x8b", "application/gzip"),
    (b"BZh", "application/x-bzip2"),
    (b"\xfd7zXZ\0", "application/x-xz"),
    (b"\x28\xb5\x2f\xfd", "application/zstd"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"\x7fELF", "application/x-elf"),
    (b"\0asm", "application/wasm"),
    (b"SQLite format 3\0", "application/vnd.sqlite3"),
    (b"PAR1", "application/vnd.apache.parquet"),
    (b"OggS", "application/ogg"),
    (b"fLaC", "audio/flac"),
    (b"wOFF", "font/woff"),
    (b"wOF2", "font/woff2"),
)
_RIFF = {b"WEBP": "image/webp", b"WAVE": "audio/x-wav", b"AVI ": "video/x-msvideo"}
_CONTROLS = bytes(code for code in range(32) if chr(code) not in "\b\f\n\r\t\x1b")


def media_type(path: PurePosixPath, beginning: bytes | None) -> MediaType:
    """Return what a file seems to be. ``beginning`` is None when it was not read."""
    ours = _OURS.get(path.suffix.lower())
    guessed, packed = _TABLE.guess_type(path.name, strict=False)
    by_name = ours or (guessed if packed is None else None) or ""  # what is packed is not what is in it
    return MediaType(by_name=by_name, by_content="" if beginning is None else by_content(beginning))


def by_content(beginning: bytes) -> str:
    """Return what a content is that begins like this."""
    data = beginning[:SNIFF_BYTES]
    if not data:
        return EMPTY
    for magic, name in _MAGIC:
        if data.startswith(magic):
            return name
    if data[:4] == b"RIFF" and data[8:12] in _RIFF:
        return _RIFF[data[8:12]]
    if data[4:8] == b"ftyp":
        return "video/mp4"
    if data[TAR_AT : TAR_AT + 5] == b"ustar":
        return "application/x-tar"
    return TEXT if _is_text(data) else BINARY


def _is_text(data: bytes) -> bool:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return len(data) % 2 == 0 or len(data) == SNIFF_BYTES
    if len(data.translate(None, _CONTROLS)) < len(data):
        return False
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return len(data) == SNIFF_BYTES and error.start >= SNIFF_BYTES - 3
    return True
