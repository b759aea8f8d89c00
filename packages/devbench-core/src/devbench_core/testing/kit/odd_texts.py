"""Paths that somebody may write to break out, to confuse, or because a file is really called so; and what must happen.

They are for an empty workspace: each means a file of exactly those bytes, or is refused by every operation.
"""

# ruff: noqa: E501
from __future__ import annotations

from collections.abc import Iterator

import attrs

VALIDATION, OUTSIDE = "validation", "path_outside_workspace"
NAME_MAX = 255


@attrs.frozen
class Text:
    """A path in an empty workspace.

    Attributes:
        name: Of the case.
        path: As a caller writes it.
        means: The bytes beneath the workspace that it means; b"" is the workspace itself; None: it is refused.
        code: Of the refusal.
    """

    name: str
    path: str
    means: bytes | None
    code: str = ""


def exact(name: str, path: str | bytes, means: bytes | None = None) -> Text:
    """A path that is taken byte for byte."""
    text = path if isinstance(path, str) else path.decode("utf-8", "surrogateescape")
    return Text(name, text, text.encode("utf-8", "surrogateescape") if means is None else means)


def texts() -> Iterator[Text]:
    """Yield the cases of an empty workspace."""
    yield from _refused()
    yield from _of_dots()
    yield from _of_characters()
    yield from _of_bytes()
    yield from _of_other_systems()
    yield from _of_lengths()


def _refused() -> Iterator[Text]:
    yield Text("empty", "", None, VALIDATION)
    for where, path in {
        "alone": "\0",
        "before": "\0a",
        "after": "a\0",
        "within": "a\0b",
        "name": "a/\0/b",
        "trick": "a.txt\0.png",
        "up": "a\0/../..",
    }.items():
        yield Text(f"NUL {where}", path, None, VALIDATION)
    for code in (0xD800, 0xDBFF, 0xDC00, 0xDC7F, 0xDD00, 0xDFFF):
        yield Text(f"lone surrogate {code:04x}", f"a{chr(code)}b", None, VALIDATION)
        yield Text(f"lone surrogate {code:04x} in a folder", f"{chr(code)}/b", None, VALIDATION)
    yield Text("surrogate pair", "\ud83d\ude00", None, VALIDATION)
    for name in ("", "0123456789abcdef", "x/y", "\udcff"):
        yield Text(f"the agent's name {name!r}", f".devbench-tmp-{name}", None, VALIDATION)
        yield Text(f"the agent's name {name!r} beneath", f"d/.devbench-tmp-{name}", None, VALIDATION)
        yield Text(
            f"the agent's name {name!r} absolute", f"/workspace/.devbench-tmp-{name}", None, VALIDATION
        )
    for name in (
        ".devbench-tmp",
        ".devbench-tmpx-",
        "x.devbench-tmp-",
        ".DEVBENCH-TMP-a",
        " .devbench-tmp-a",
    ):
        yield exact(f"nearly the agent's name {name!r}", name)


# fmt: off
UPWARDS = (
    "..", "../", "/..", "../..", "../x", "./..", "./../x", "a/../..", "a/../../x", "a/./../../x", "a//../..//x",
    "a/b/../../..", "a/b/../../../x", "../workspace/x", "../workspace", "../../../../../../etc/passwd", "..//x",
    ".././x", "a/../b/../..", "../a/..", "../../workspace/a", "x/../../workspace/x",
    "/workspace/..", "/workspace/../x", "/workspace/../etc/passwd", "/workspace/a/../../etc", "/workspace/./..",
    "/workspace/../workspacex", "//workspace/..",
)
ELSEWHERE = (
    "/", "//", "/.", "/./", "/etc/passwd", "/etc", "/tmp", "/workspacex", "/workspac", "/workspace2/a", "/Workspace",
    "/WORKSPACE/a", "/workspace.", "/workspace /a", "/ workspace/a", "/proc/self/root/etc/passwd", "/proc/1/root",
    "/proc/self/cwd/a", "/proc/self/root/workspace/a", "/proc/self/fd/3", "/dev/fd/0", "/dev/null", "/dev/stdin",
    "/sys/kernel", "/run/devbench", "/root/.ssh/id_rsa", "/./etc/passwd", "//etc/passwd", "///etc", "/a/../etc",
    "/etc/../workspacex/a", "/\uff57orkspace/a", "/workspace\u200b/a", "/workspace%2f/a", "/%77orkspace/a",
)
LEGAL_UPWARDS = {
    "a/../b": b"b", "a/b/../c": b"a/c", "a/../b/../c": b"c", "./a/./../b": b"b", "a/b/../../c": b"c",
    "/workspace/a/../b": b"b", "/workspace/a/b/../../c": b"c", "/a/../workspace/b": b"b", "/../workspace/b": None,
    "a/.../b": b"a/.../b", "no/such/../../b": b"b", "/workspace/../workspace/b": b"b",
    "//workspace/b": b"b", "///workspace//b": b"b", "/./workspace/./b": b"b", "/etc/../workspace/b": b"b",
}
# fmt: on


def _of_dots() -> Iterator[Text]:
    for path in (
        ".",
        "./",
        "./.",
        "a/..",
        "a/b/../..",
        "/workspace",
        "/workspace/",
        "/workspace/.",
        "//workspace//",
    ):
        yield Text(f"the workspace as {path!r}", path, b"")
    for path in (*UPWARDS, *ELSEWHERE):
        yield Text(f"out by {path!r}", path, None, OUTSIDE)
    for path, means in LEGAL_UPWARDS.items():
        yield Text(f"within by {path!r}", path, means, "" if means is not None else OUTSIDE)
    for path in (
        "f/",
        "f//",
        "f/.",
        "f/./",
        "./f",
        ".//f",
        "/workspace/f",
        "/workspace//f",
        "f/x/..",
        "./././f",
    ):
        yield Text(f"the file f as {path!r}", path, b"f")
    for path in ("a//b", "a///b", "a/./b", "a/././/./b", "a/b/", "a/b//", "/workspace/a//b/"):
        yield Text(f"the file a/b as {path!r}", path, b"a/b")
    for path in (
        "...",
        "....",
        "..a",
        "a..",
        "a..b",
        ".a",
        "a.",
        "..  ",
        " ..",
        ". .",
        ".. /a",
        "../".replace("/", "\\"),
    ):
        yield exact(f"dots {path!r}", path)


# fmt: off
WORDS = {
    "space": " ", "spaces": "   ", "leading space": " a", "trailing space": "a ", "trailing dot": "a.", "dots": "a...",
    "space and dot": "a .", "tab": "a\tb", "newline": "a\nb", "only a newline": "\n", "trailing newline": "a\n",
    "return": "a\rb", "backspace": "a\bb", "escape": "\x1b[31mred\x1b[0m", "title": "\x1b]0;x\x07", "delete": "a\x7fb",
    "bell": "\x07", "vertical tab": "a\vb", "form feed": "a\fb", "C1": "a\x9bb", "next line": "a\x85b",
    "backslash": "a\\b", "backslashes": "..\\..\\etc", "trailing backslash": "a\\", "drive": "C:\\x", "UNC": "\\\\h\\s",
    "colon": "a:b", "stream": "a::$DATA", "semicolon": "a;b", "quote": "a'b", "double quote": 'a"b', "backtick": "`id`",
    "substitution": "$(id)", "variable": "$HOME", "braces": "${HOME}", "home": "~", "home of root": "~root", "tilde": "a~",
    "star": "*", "question": "a?", "class": "[a]", "alternatives": "{a,b}", "pipe": "a|b", "ampersand": "a&b",
    "redirect": "a>b", "hash": "#a", "bang": "!a", "percent": "%", "percent s": "%s%n", "at": "@a", "plus": "+a",
    "equals": "a=b", "comma": "a,b", "less": "<a>", "caret": "^", "dash": "-", "dashes": "--", "option": "-rf",
    "long option": "--help", "null word": "null", "none": "None", "undefined": "undefined", "number": "0", "true": "true",
    "percent dots": "%2e%2e", "percent slash": "..%2f..%2fetc", "percent NUL": "a%00b", "double percent": "%252e%252e",
    "percent letter": "%41", "percent byte": "%ff", "entity": "&#46;&#46;", "unicode escape": "\\u002e\\u002e",
    "hex escape": "\\x2e\\x2e", "octal escape": "\\056\\056", "base64": "Li4v", "url": "http:", "data": "data:,x",
    "composed": "caf\u00e9", "decomposed": "cafe\u0301", "ligature": "\ufb01le", "long s": "\u017f", "sharp s": "stra\u00dfe",
    "dotted I": "\u0130", "dotless i": "\u0131", "Kelvin": "\u212a", "Angstrom": "\u212b", "half": "\u00bd", "Hangul": "\ud55c",
    "Hangul in parts": "\u1112\u1161\u11ab", "full-width dot": "\uff0e\uff0e", "full-width slash": "..\uff0f..\uff0fetc",
    "division slash": "a\u2215b", "fraction slash": "a\u2044b", "big solidus": "a\u29f8b", "one dot leader": "\u2024\u2024",
    "two dot leader": "\u2025", "ellipsis": "\u2026", "right to left": "\u202egpj.exe", "marks": "a\u200fb\u200e",
    "isolate": "\u2066a\u2069", "zero width": "a\u200bb", "joiner": "a\u200db", "byte order mark": "\ufeffa",
    "soft hyphen": "a\u00adb", "no-break space": "a\u00a0b", "em space": "\u2003", "line separator": "a\u2028b",
    "paragraph separator": "a\u2029b", "replacement": "a\ufffdb", "non-character": "a\uffffb", "last": "\U0010ffff",
    "private": "\ue000", "emoji": "\U0001f468\u200d\U0001f469", "flag": "\U0001f1e9\U0001f1ea", "tag": "a\U000e0041",
    "combining alone": "\u0301", "many combining": "a" + "\u0301" * 60, "Arabic": "\u0645\u0644\u0641", "CJK": "\u6587\u4ef6",
    "upper": "README", "lower": "readme", "mixed": "ReadMe", "whole URI": "file:", "looks escaped": "file:%41",
}
# fmt: on


def _of_characters() -> Iterator[Text]:
    for name, word in WORDS.items():
        yield exact(f"{name}", word)
    for name in (
        "newline",
        "escape",
        "decomposed",
        "right to left",
        "percent dots",
        "option",
        "home",
        "backslashes",
    ):
        yield exact(f"{name} as a folder", f"{WORDS[name]}/x")
        yield exact(f"{name} absolute", f"/workspace/{WORDS[name]}", WORDS[name].encode())
    for code in range(1, 32):
        yield exact(f"control {code:02x}", f"c{chr(code)}d")


# fmt: off
BYTES = {
    "ff": b"\xff", "ff fe": b"\xff\xfe", "Latin-1": b"caf\xe9", "half a character": b"\xe2\x82", "continuation": b"\x80",
    "continuations": b"\x80\x81\xbf", "overlong slash": b"..\xc0\xaf..", "overlong dot": b"\xc0\xae\xc0\xae",
    "overlong NUL": b"a\xc0\x80b", "overlong of three": b"\xe0\x80\xaf", "overlong of four": b"\xf0\x80\x80\xaf",
    "encoded surrogate": b"\xed\xa0\x80", "encoded surrogate pair": b"\xed\xa0\xbd\xed\xb8\x80", "CESU escape": b"\xed\xb3\xbf",
    "beyond the last": b"\xf4\x90\x80\x80", "five": b"\xf8\x88\x80\x80\x80", "six": b"\xfc\x84\x80\x80\x80\x80",
    "mixed": b"\xc3\xa4\xff\xc3\xa4", "Shift-JIS": b"\x83t\x83@\x83C", "Big5 backslash": b"\xb3\\", "UTF-16": b"\xfe\xffa",
    "after text": b"a.txt\xff", "before text": b"\xffa.txt", "with a newline": b"\xff\n", "with a percent": b"\xff%41",
    "most bytes": bytes(range(0x80, 0x100)), "255 of them": b"\xff" * NAME_MAX,
}
# fmt: on


def _of_bytes() -> Iterator[Text]:
    for name, raw in BYTES.items():
        yield exact(f"bytes: {name}", raw)
        if len(raw) < 60:
            yield exact(f"bytes: {name}, as a folder", raw + b"/" + raw)


def _of_other_systems() -> Iterator[Text]:
    for word in (
        "CON",
        "con",
        "PRN",
        "AUX",
        "NUL",
        "nul.txt",
        "COM1",
        "LPT1",
        "CLOCK$",
        "CONIN$",
        "a.",
        "desktop.ini",
    ):
        yield exact(f"device name {word!r}", word)
    for word in (
        ".git",
        ".GIT",
        ".git/hooks/x",
        "lost+found",
        ".nfs0001",
        ".wh.a",
        ".wh..wh..opq",
        ".snapshot",
        "core",
        "nul",
    ):
        yield exact(f"special to others {word!r}", word)
    for word in (
        "proc/self/root/etc/passwd",
        "etc/passwd",
        "dev/null",
        "workspace",
        "workspace/a",
        "workspace/workspace",
    ):
        yield exact(f"like an absolute path {word!r}", word)


def _of_lengths() -> Iterator[Text]:
    name = "n" * NAME_MAX
    yield exact("a name of 255 bytes", name)
    yield exact("a folder of 255 bytes", f"{name}/{name}")
    yield Text("a name of 256 bytes", name + "n", None, VALIDATION)
    yield Text("a folder of 256 bytes", f"{name}n/x", None, VALIDATION)
    yield Text("a name of 256 bytes that .. takes back", f"{name}n/../x", b"x")
    yield exact("a name of 127 characters of two bytes", "\u00e9" * 127)
    yield Text("a name of 128 characters of two bytes", "\u00e9" * 128, None, VALIDATION)
    yield exact("a name of 63 characters of four bytes", "\U0001f600" * 63)
    yield Text("a name of 64 characters of four bytes", "\U0001f600" * 64, None, VALIDATION)
    yield Text("a name of 1 MiB", "n" * (1 << 20), None, VALIDATION)
    long = "/".join([name] * 15)  # 3839 bytes
    yield exact("a path of 4094 bytes", f"{long}/{'n' * 254}")
    yield exact("a path of 4095 bytes", f"{long}/{name}")
    yield Text("a path of 4096 bytes", f"{long}/{'n' * 200}/{'n' * 55}", None, VALIDATION)
    yield Text("a path of 4097 bytes", f"{long}/{'n' * 254}/nn", None, VALIDATION)
    yield exact("a path of 4095 bytes, absolute", f"/workspace/{long}/{name}", f"{long}/{name}".encode())
    yield exact("2048 folders deep", "/".join(["d"] * 2048))
    yield Text("2049 folders deep", "/".join(["d"] * 2049), None, VALIDATION)
    yield exact("500 folders deep", "/".join(["d"] * 500))
    yield Text("long by slashes only", "a" + "/" * 5000 + "b", b"a/b")
    yield Text("long by dots only", "./" * 5000 + "b", b"b")
    yield Text("far in and far out again", "a/" * 3000 + "../" * 3000 + "b", b"b")
    yield Text("one further out than in", "a/" * 3000 + "../" * 3001 + "b", None, OUTSIDE)
