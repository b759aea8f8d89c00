"""Archives that mean harm, or are made badly: each with what must become of it.

They are made here, in code, so that nothing hostile lies in the repository.
"""

from __future__ import annotations

import gzip
import io
import struct
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence

import attrs

from devbench_core.model.archive import ArchiveFormat, SetId
from devbench_core.values import frozen

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

TAR, GZ, ZST, ZIP = ArchiveFormat.TAR, ArchiveFormat.TAR_GZ, ArchiveFormat.TAR_ZST, ArchiveFormat.ZIP
ENTRIES_MAX, BYTES_MAX, RATIO_MAX = 200, 48 * 1024 * 1024, 100
SPOOL_MAX = 4 * 1024 * 1024
END = bytes(1024)


@frozen
class Hostile:
    """One archive.

    Attributes:
        name: Says what is wrong with it.
        format: Its format.
        data: The archive.
        refused: The reason, or the setting of a limit, that it must be refused with; "" when it is harmless.
        made: What a harmless one makes, by path: content of a file, a link's target after "->", None for a folder.
        set_id: What the import does with set-id bits.
    """

    name: str
    format: ArchiveFormat
    data: bytes = attrs.field(repr=False)
    refused: str = ""
    made: dict[str, bytes | str | None] = attrs.field(factory=dict[str, "bytes | str | None"])
    set_id: SetId = SetId.DROP


def member(
    name: str | bytes,
    data: bytes = b"",
    *,
    kind: bytes = b"0",
    link: str | bytes = "",
    mode: int = 0o644,
    size: int | None = None,
    checksum: int | None = None,
) -> bytes:
    """One ustar header with its content, as it is asked for and not as it should be."""
    encoded = name.encode() if isinstance(name, str) else name
    target = link.encode() if isinstance(link, str) else link
    claimed = len(data) if size is None else size
    head = bytearray(512)
    head[0:100] = encoded[:100].ljust(100, b"\0")
    head[100:108] = b"%07o\0" % mode
    head[108:124] = b"0000000\0" * 2
    head[124:136] = b"%011o\0" % claimed if claimed >= 0 else (claimed).to_bytes(12, "big", signed=True)
    head[136:148] = b"%011o\0" % 1_500_000_000
    head[148:156] = b" " * 8
    head[156:157] = kind
    head[157:257] = target[:100].ljust(100, b"\0")
    head[257:265] = b"ustar\x0000"
    head[148:156] = b"%06o\0 " % (sum(head) if checksum is None else checksum)
    return bytes(head) + data + bytes(-len(data) % 512)


def pax(records: dict[str, bytes], kind: bytes = b"x") -> bytes:
    """An extended header."""
    text = b""
    for key, value in records.items():
        body = b" " + key.encode() + b"=" + value + b"\n"
        length = len(body)
        while len(str(length)) + len(body) != length:
            length = len(str(length)) + len(body)
        text += str(length).encode() + body
    return member("pax", text, kind=kind)


def tar(*members: bytes) -> bytes:
    """A whole tar."""
    return b"".join(members) + END


def zipped(entries: Sequence[tuple[str, bytes, int]], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip of names, contents and modes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as made:
        for name, data, mode in entries:
            info = zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0))
            info.create_system = 3
            info.external_attr = mode << 16
            info.compress_type = method
            made.writestr(info, data)
    return out.getvalue()


def patched(data: bytes, find: bytes, replace: bytes, *, last: bool = False, every: bool = False) -> bytes:
    """A change of some bytes."""
    assert find in data
    if every:
        return data.replace(find, replace)
    at = data.rfind(find) if last else data.find(find)
    return data[:at] + replace + data[at + len(find) :]


FINE = member("fine", b"fine")


def names() -> Iterator[Hostile]:
    """Paths that lead out, in each format."""
    outside = {
        "absolute": "/etc/x",
        "absolute twice": "//etc/x",
        "up": "../x",
        "up in the middle": "a/../../x",
        "up and down again": "a/../b",
        "up at the end": "a/..",
        "up behind a dot": "./../x",
        "only up": "..",
    }
    for what, name in outside.items():
        yield Hostile(name=f"tar: {what}", format=TAR, data=tar(FINE, member(name, b"x")), refused="outside")
        yield Hostile(
            name=f"zip: {what}",
            format=ZIP,
            data=zipped([("fine", b"", 0), (name, b"x", 0o100644)]),
            refused="outside",
        )
    yield Hostile(
        name="pax: up",
        format=TAR,
        data=tar(FINE, pax({"path": b"../x"}), member("ok", b"x")),
        refused="outside",
    )
    yield Hostile(
        name="pax for all: up", format=TAR, data=tar(pax({"path": b"/x"}, b"g"), FINE), refused="outside"
    )
    yield Hostile(
        name="gnu long name: up",
        format=TAR,
        data=tar(member("././@LongLink", b"../" * 60 + b"x\0", kind=b"L"), FINE),
        refused="outside",
    )
    prefixed = bytearray(member("x", b""))
    prefixed[345:347] = b".."
    prefixed[148:156] = b" " * 8
    prefixed[148:156] = b"%06o\0 " % sum(prefixed[:512])
    yield Hostile(name="ustar prefix: up", format=TAR, data=tar(bytes(prefixed)), refused="outside")
    yield Hostile(
        name="long component", format=TAR, data=tar(pax({"path": b"n" * 256}), FINE), refused="name"
    )
    yield Hostile(
        name="long path", format=TAR, data=tar(pax({"path": b"n/" * 2100 + b"x"}), FINE), refused="name"
    )
    yield Hostile(
        name="NUL in a pax name", format=TAR, data=tar(pax({"path": b"a\0b"}), FINE), refused="name"
    )
    yield Hostile(
        name="devbench's own name", format=TAR, data=tar(member(".devbench-tmp-x", b"")), refused="name"
    )
    yield Hostile(name="no name", format=TAR, data=tar(member("", b"x")), refused="name")
    yield Hostile(name="the folder itself as a file", format=TAR, data=tar(member(".", b"x")), refused="name")
    yield Hostile(
        name="no UTF-8", format=TAR, data=tar(member(b"\xff\xfe", b"x")), made={"\udcff\udcfe": b"x"}
    )
    yield Hostile(
        name="a backslash is a name", format=TAR, data=tar(member("a\\..\\x", b"x")), made={"a\\..\\x": b"x"}
    )
    yield Hostile(
        name="dots and slashes mean nothing",
        format=TAR,
        data=tar(member("././a//b", b"x")),
        made={"a": None, "a/b": b"x"},
    )
    yield Hostile(
        name="the folder itself",
        format=TAR,
        data=tar(member("./", kind=b"5", mode=0), FINE),
        made={"fine": b"fine"},
    )


def links() -> Iterator[Hostile]:
    """Links that lead out, and what is written through links."""

    def soft(name: str, target: str) -> bytes:
        return member(name, kind=b"2", link=target)

    out = {
        "absolute": [soft("l", "/etc")],
        "up": [soft("l", "..")],
        "up from below": [soft("a/l", "../../x")],
        "up behind a name": [soft("l", "a/../../x")],
        "up through another link": [soft("d1/d2/a", "../.."), soft("b", "d1/d2/a/..")],
        "up behind a dot": [soft("l", "./../x")],
    }
    for what, members in out.items():
        yield Hostile(name=f"link: {what}", format=TAR, data=tar(FINE, *members), refused="link_outside")
    yield Hostile(
        name="link in a zip",
        format=ZIP,
        data=zipped([("l", b"../../etc/passwd", 0o120777)]),
        refused="link_outside",
    )
    yield Hostile(name="link to nothing", format=TAR, data=tar(soft("l", "")), refused="name")
    yield Hostile(
        name="pax link: up",
        format=TAR,
        data=tar(pax({"linkpath": b"../../x"}), soft("l", "ok")),
        refused="link_outside",
    )
    yield Hostile(
        name="gnu long link: up",
        format=TAR,
        data=tar(member("././@LongLink", b"../" * 60 + b"\0", kind=b"K"), soft("l", "ok")),
        refused="link_outside",
    )
    yield Hostile(
        name="a write through a link",
        format=TAR,
        data=tar(soft("l", "d"), member("l/x", b"x")),
        refused="type_change",
    )
    yield Hostile(
        name="a write through a link in a zip",
        format=ZIP,
        data=zipped([("l", b"d", 0o120777), ("l/x", b"x", 0o100644)]),
        refused="type_change",
    )
    yield Hostile(
        name="a write onto a link",
        format=TAR,
        data=tar(soft("l", "x"), member("l", b"x")),
        refused="type_change",
    )
    yield Hostile(
        name="a link onto a folder",
        format=TAR,
        data=tar(member("d", kind=b"5"), soft("d", "x")),
        refused="type_change",
    )
    yield Hostile(
        name="a link onto an implied folder",
        format=TAR,
        data=tar(member("d/x", b""), soft("d", "x")),
        refused="type_change",
    )
    yield Hostile(
        name="a long link in a zip", format=ZIP, data=zipped([("l", b"x" * 5000, 0o120777)]), refused="name"
    )
    yield Hostile(
        name="links inside are links",
        format=TAR,
        data=tar(FINE, soft("a/l", "../fine"), soft("loop", "loop")),
        made={"fine": b"fine", "a": None, "a/l": "->../fine", "loop": "->loop"},
    )
    for what, target in {
        "absolute": "/etc/passwd",
        "up": "../x",
        "absent": "nothing",
        "a later one": "later",
    }.items():
        members = [member("h", kind=b"1", link=target), member("later", b"")]
        yield Hostile(name=f"hard link: {what}", format=TAR, data=tar(FINE, *members), refused="link_outside")
    yield Hostile(
        name="hard link to a link",
        format=TAR,
        data=tar(soft("l", "x"), member("h", kind=b"1", link="l")),
        refused="link_outside",
    )
    yield Hostile(
        name="hard link to a folder",
        format=TAR,
        data=tar(member("d", kind=b"5"), member("h", kind=b"1", link="d")),
        refused="link_outside",
    )
    yield Hostile(
        name="hard link to itself",
        format=TAR,
        data=tar(FINE, member("fine", kind=b"1", link="fine")),
        made={"fine": b"fine"},
    )


def kinds() -> Iterator[Hostile]:
    """What is no file, folder or link; and what is two things."""
    for what, kind in {"character device": b"3", "block device": b"4", "pipe": b"6"}.items():
        yield Hostile(
            name=f"tar: {what}", format=TAR, data=tar(FINE, member("x", kind=kind)), refused="special"
        )
    for what, mode in {"character device": 0o020644, "pipe": 0o010644, "socket": 0o140644}.items():
        yield Hostile(name=f"zip: {what}", format=ZIP, data=zipped([("x", b"", mode)]), refused="special")
    yield Hostile(name="unknown type", format=TAR, data=tar(member("x", kind=b"Z")), refused="unsupported")
    yield Hostile(name="sparse of old", format=TAR, data=tar(member("x", kind=b"S")), refused="unsupported")
    yield Hostile(
        name="sparse of pax",
        format=TAR,
        data=tar(pax({"GNU.sparse.major": b"1"}), FINE),
        refused="unsupported",
    )
    yield Hostile(
        name="a folder onto a file",
        format=TAR,
        data=tar(FINE, member("fine", kind=b"5")),
        refused="type_change",
    )
    yield Hostile(
        name="a file onto a folder",
        format=TAR,
        data=tar(member("d/", kind=b"5"), member("d", b"x")),
        refused="type_change",
    )
    yield Hostile(
        name="a file beneath a file",
        format=TAR,
        data=tar(FINE, member("fine/x", b"x")),
        refused="type_change",
    )
    yield Hostile(
        name="a zip's folder that is a file",
        format=ZIP,
        data=zipped([("d/", b"", 0o100644)]),
        refused="type_change",
    )
    yield Hostile(
        name="the later of two files counts",
        format=TAR,
        data=tar(FINE, member("fine", b"later")),
        made={"fine": b"later"},
    )
    for what, mode in {"set-uid": 0o4755, "set-gid": 0o2755, "sticky": 0o1755}.items():
        yield Hostile(
            name=f"{what} is dropped", format=TAR, data=tar(member("x", b"x", mode=mode)), made={"x": b"x"}
        )
        yield Hostile(
            name=f"{what} is refused",
            format=TAR,
            data=tar(member("x", b"x", mode=mode)),
            refused="set_id",
            set_id=SetId.REFUSE,
        )
    yield Hostile(
        name="set-uid in a zip",
        format=ZIP,
        data=zipped([("x", b"x", 0o104755)]),
        refused="set_id",
        set_id=SetId.REFUSE,
    )


def bombs() -> Iterator[Hostile]:
    """More than is allowed."""
    many = [member(f"f{i}", b"") for i in range(ENTRIES_MAX + 1)]
    yield Hostile(name="too many entries", format=TAR, data=tar(*many), refused="files.archive_max_entries")
    yield Hostile(
        name="too many entries in a zip",
        format=ZIP,
        data=zipped([(f"f{i}", b"", 0) for i in range(ENTRIES_MAX + 1)]),
        refused="files.archive_max_entries",
    )
    zeros = tar(FINE, member("bomb", bytes(32 * 1024 * 1024)))
    yield Hostile(name="gzip bomb", format=GZ, data=gzip.compress(zeros), refused="files.archive_max_ratio")
    yield Hostile(
        name="zstd bomb", format=ZST, data=zstd.compress(zeros, 3), refused="files.archive_max_ratio"
    )
    yield Hostile(
        name="zip bomb",
        format=ZIP,
        data=zipped([("fine", b"", 0), ("bomb", bytes(32 * 1024 * 1024), 0)]),
        refused="files.archive_max_ratio",
    )
    yield Hostile(
        name="zip bomb of many",
        format=ZIP,
        data=zipped([(f"b{i}", bytes(2**20), 0) for i in range(60)]),
        refused="files.archive_max_ratio",
    )
    yield Hostile(
        name="too large",
        format=TAR,
        data=tar(member("large", bytes(BYTES_MAX))),
        refused="files.archive_max_bytes",
    )
    yield Hostile(
        name="a zip too large to keep",
        format=ZIP,
        data=zipped([("x", bytes(SPOOL_MAX), 0)], zipfile.ZIP_STORED),
        refused="files.archive_spool_max_bytes",
    )
    wide = zstd.ZstdCompressor(options={int(zstd.CompressionParameter.window_log): 27})
    yield Hostile(
        name="zstd of a wide window", format=ZST, data=wide.compress(zeros) + wide.flush(), refused="damaged"
    )


def false_claims() -> Iterator[Hostile]:
    """What says of itself that it is larger than it is."""
    yield Hostile(
        name="a claim beyond all", format=TAR, data=tar(pax({"size": b"9" * 18}), FINE), refused="damaged"
    )
    yield Hostile(
        name="an endless extended header",
        format=TAR,
        data=tar(member("x", bytes(2**20 + 512), kind=b"x"), FINE),
        refused="unsupported",
    )
    overlapping = zipped([("a", b"x" * 3000, 0), ("b", b"y" * 3000, 0)], zipfile.ZIP_STORED)
    listed = patched(overlapping, struct.pack("<L", 0), struct.pack("<L", 0))
    at = listed.rfind(b"PK\1\2")
    yield Hostile(
        name="zip entries that overlap",
        format=ZIP,
        data=listed[: at + 20] + struct.pack("<2L", 6000, 6000) + listed[at + 28 :],
        refused="damaged",
    )


def damage() -> Iterator[Hostile]:
    """What is no archive, or half of one."""
    whole = tar(FINE, member("big", b"x" * 3000))
    for format_ in ArchiveFormat:
        yield Hostile(name=f"{format_}: nothing", format=format_, data=b"", refused="damaged")
        yield Hostile(
            name=f"{format_}: rubbish", format=format_, data=b"\x01rubbish" * 200, refused="damaged"
        )
    yield Hostile(name="tar: cut in a header", format=TAR, data=whole[:700], refused="damaged")
    yield Hostile(name="tar: cut in content", format=TAR, data=whole[:2300], refused="damaged")
    yield Hostile(name="tar: no end", format=TAR, data=whole[:-1024], refused="damaged")
    yield Hostile(
        name="tar: wrong checksum", format=TAR, data=tar(FINE, member("x", checksum=1)), refused="damaged"
    )
    yield Hostile(
        name="tar: a size that is no number",
        format=TAR,
        data=patched(tar(FINE), b"00000000004", b"0000000000z"),
        refused="damaged",
    )
    yield Hostile(
        name="tar: a negative size", format=TAR, data=tar(member("x", size=-512)), refused="damaged"
    )
    yield Hostile(
        name="pax: nonsense",
        format=TAR,
        data=tar(member("x", b"99 path", kind=b"x"), FINE),
        refused="damaged",
    )
    yield Hostile(
        name="pax: a size that is no number",
        format=TAR,
        data=tar(pax({"size": b"-1"}), FINE),
        refused="damaged",
    )
    packed = gzip.compress(whole)
    yield Hostile(name="gzip: cut", format=GZ, data=packed[:-20], refused="damaged")
    yield Hostile(name="gzip: wrong check", format=GZ, data=packed[:-8] + bytes(8), refused="damaged")
    yield Hostile(name="zstd: cut", format=ZST, data=zstd.compress(whole)[:-10], refused="damaged")
    yield Hostile(name="zip as tar", format=TAR, data=zipped([("x", b"x", 0)]), refused="damaged")
    good = zipped([("x", b"x" * 100, 0o100644)])
    yield Hostile(name="zip: cut", format=ZIP, data=good[:-5], refused="damaged")
    yield Hostile(name="zip: something behind", format=ZIP, data=good + b"x", refused="damaged")
    yield Hostile(name="zip: something before", format=ZIP, data=b"x" + good, refused="damaged")
    yield Hostile(
        name="zip: another name in the entry", format=ZIP, data=patched(good, b"x", b"y"), refused="damaged"
    )
    crc = struct.pack("<L", zlib.crc32(b"x" * 100))
    yield Hostile(
        name="zip: wrong check", format=ZIP, data=patched(good, crc, bytes(4), every=True), refused="damaged"
    )
    at = good.rfind(b"PK\1\2")
    encrypted = good[: at + 8] + b"\1" + good[at + 9 :]
    yield Hostile(name="zip: encrypted", format=ZIP, data=encrypted, refused="unsupported")
    bzip = zipped([("x", b"x" * 100, 0o100644)], zipfile.ZIP_BZIP2)
    yield Hostile(name="zip: bzip2", format=ZIP, data=bzip, refused="unsupported")
    smaller = good[: at + 24] + struct.pack("<L", 50) + good[at + 28 :]
    yield Hostile(name="zip: larger than it says", format=ZIP, data=smaller, refused="damaged")
    count = good[:-14] + struct.pack("<2H", 9, 9) + good[-10:]
    yield Hostile(name="zip: more entries than there are", format=ZIP, data=count, refused="damaged")


def small() -> list[Hostile]:
    """Those that are quickly made, and within the limits that a host has by default."""
    groups: Sequence[Callable[[], Iterator[Hostile]]] = (names, links, kinds, false_claims, damage)
    return [each for group in groups for each in group()]


def corpus() -> list[Hostile]:
    """All of them."""
    return [*small(), *bombs()]


def by_tarfile(members: dict[str, bytes], format_: ArchiveFormat = TAR) -> bytes:
    """A tar as Python makes it."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as made:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(data), 1_600_000_000
            made.addfile(info, io.BytesIO(data))
    raw = out.getvalue()
    return gzip.compress(raw) if format_ is GZ else zstd.compress(raw) if format_ is ZST else raw
