"""Searching in files: which lines, where they are, what is shown around them, and how pages join."""

from __future__ import annotations

import os
import random
import re
import select
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent_process import Agent, StartAgent, wait_until
from agent_search import (
    COUNTS,
    GITIGNORE,
    GREP,
    GREP_END,
    IGNORE_CASE,
    LITERAL,
    NAMES,
    SKIP_HIDDEN,
    WORD,
    GrepPage,
    InvalidPattern,
    all_lines,
    find,
    grep,
    walk_fields,
)
from agent_wire import ABORT, ABORTED, INVALID, NOT_A_FILE, NOT_FOUND, OUTSIDE, Channel, FileError, text

Files = tuple[Channel, Path]


@pytest.fixture(params=["kernel", "by hand"])
def files(request: pytest.FixtureRequest, start_agent: StartAgent) -> Iterator[Files]:
    agent = start_agent(*(["--no-openat2", "--no-renameat2"] if request.param == "by hand" else []))
    with agent.host() as channel:
        yield channel, agent.workspace


def write(root: Path, path: str, content: bytes | str) -> None:
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content.encode() if isinstance(content, str) else content)


def model(data: bytes, pattern: bytes, flags: int = 0) -> list[tuple[int, int, int, bytes]]:
    """Number, offset, column and text of each line that matches, as Python's own engine sees it."""
    found: list[tuple[int, int, int, bytes]] = []
    offset = 0
    lines = data.split(b"\n")
    if lines[-1] == b"":
        lines.pop()
    for number, line in enumerate(lines, 1):
        match = re.search(pattern, line, flags)
        if match:
            found.append((number, offset, match.start() + 1, line))
        offset += len(line) + 1
    return found


def seen(page: GrepPage) -> list[tuple[int, int, int, bytes]]:
    return [
        (line.number, line.offset, line.column, line.text)
        for hit in page.hits
        for line in hit.lines
        if line.match
    ]


def test_lines_come_with_number_offset_and_column(files: Files):
    host, root = files
    write(root, "a/f.txt", "one\ntwo three\n\nthree two\nnone")
    write(root, "g", "two")
    page = grep(host, "two")
    assert page.lines == [(b"a/f.txt", 2, b"two three"), (b"a/f.txt", 4, b"three two"), (b"g", 1, b"two")]
    assert seen(page) == [(2, 4, 1, b"two three"), (4, 15, 7, b"three two"), (1, 0, 1, b"two")]
    assert (page.more, page.files, page.binary, page.large) == (False, 2, 0, 0)
    assert page.hits[0].stat == host.stat("a/f.txt")


TEXT = (
    "alpha beta\nAlpha-Beta gamma_1\n\n  tab\there\nfoo(bar) = baz[0];\nü ö é ß\nxx\n\nend alpha\n"
    "aaa\nab\nabc abcd\n2024-01-02 10:00\nkey=value\nlast line without end"
)
PATTERNS = [
    "alpha",
    "a",
    "^",
    "$",
    "^$",
    "^a",
    "a$",
    "^end",
    "beta$",
    ".",
    "^.$",
    "^..$",
    "a.*b",
    "a.*a",
    "x+",
    "x{2}",
    "x{3}",
    "a{2,}",
    "a{0,1}b",
    "b|c",
    "alpha|xx|^k",
    "(ab)+c?d",
    "(?:foo|key)[(=]",
    "[0-9]{4}-[0-9]{2}",
    r"\d+:\d+",
    r"\w+\(\w+\)",
    r"\balpha\b",
    r"\Bb",
    r"\bb",
    r"a\b",
    r"\s\s",
    r"\tt?h",
    "[^a-z ]",
    "[^\\W\\d]_",
    "[]a]b",
    "[a-]b",
    "[é-ü]",
    "ü ö",
    "ß$",
    r"\[0\]",
    r"\x61b",
    r"\.",
    "without",
    "(a|b)*c",
    "(a*)*b",
    "(|a)b",
    "(?i)ALPHA",
    "x{,2}y?",
    "a{",
    "a{,b",
    "gamma.1",
    "(?:(?:(?:a)))b",
]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_an_expression_finds_what_pythons_finds(files: Files, pattern: str):
    host, root = files
    write(root, "f", TEXT)
    lines = TEXT.split("\n")
    expected: list[tuple[int, int, int, bytes]] = []
    offset = 0
    for number, line in enumerate(lines, 1):
        match = re.search(pattern, line, re.ASCII)
        if match:
            column = len(line[: match.start()].encode()) + 1
            expected.append((number, offset, column, line.encode()))
        offset += len(line.encode()) + 1
    assert seen(grep(host, pattern)) == expected


@pytest.mark.parametrize(
    ("pattern", "fault", "at"),
    [
        ("*a", 2, 0),
        ("a|+", 2, 2),
        ("^*", 2, 1),
        ("a**", 3, 2),
        ("a+*", 3, 2),
        ("a{2}{3}", 3, 4),
        ("a{3,2}", 4, 1),
        ("a{1001}", 4, 1),
        ("x(a", 5, 1),
        ("a)", 6, 1),
        ("x[a", 7, 1),
        ("[]", 7, 0),
        ("[b-a]", 8, 1),
        (r"[a-\d]", 8, 1),
        (r"\y", 9, 0),
        ("a\\", 9, 1),
        (r"\x4", 10, 0),
        (r"\ud800", 10, 0),
        (r"(a)\1", 11, 3),
        ("(?=a)", 12, 0),
        ("a(?<!b)", 12, 1),
        ("(?z)", 13, 0),
        ("(?P<n", 13, 0),
        (r"a\n", 14, 1),
        ("a\nb", 14, 1),
        ("(" * 101, 15, 100),
        ("[[:nope:]]", 16, 1),
        (b"a\xff", 17, 1),
        ("(.{1000}){1000}", 1, 0),
    ],
)
def test_a_pattern_that_is_none_tells_the_place(files: Files, pattern: str | bytes, fault: int, at: int):
    host, _ = files
    with pytest.raises(InvalidPattern) as error:
        grep(host, pattern)
    assert (error.value.fault, error.value.at) == (fault, at)


def test_a_literal_means_itself(files: Files):
    host, root = files
    write(root, "f", "a.b\naxb\n(x\nA.B")
    assert grep(host, "a.b", flags=LITERAL).lines == [(b"f", 1, b"a.b")]
    assert grep(host, "(", flags=LITERAL).lines == [(b"f", 3, b"(x")]
    assert grep(host, "a.b", flags=LITERAL | IGNORE_CASE).lines == [(b"f", 1, b"a.b"), (b"f", 4, b"A.B")]


def test_words_are_whole(files: Files):
    host, root = files
    write(root, "f", "cat\ncats\na cat.\nconcat\ncat_\n(cat)\n-x-\nx")
    assert [line for _, line, _ in grep(host, "cat", flags=WORD).lines] == [1, 3, 6]
    assert [line for _, line, _ in grep(host, "cat", flags=WORD | LITERAL).lines] == [1, 3, 6]
    assert [line for _, line, _ in grep(host, "-x-", flags=WORD).lines] == [7]


def test_lines_around_are_shown_once_each(files: Files):
    host, root = files
    write(root, "f", "\n".join(f"{i}{' hit' if i in {3, 5, 12} else ''}" for i in range(1, 16)))
    page = grep(host, "hit", context=(2, 1))
    shown = [(line.number, line.match) for line in page.hits[0].lines]
    expected = [(1, False), (2, False), (3, True), (4, False), (5, True), (6, False)]
    assert shown == [*expected, (10, False), (11, False), (12, True), (13, False)]
    assert [line.text.split()[0] for line in page.hits[0].lines] == [b"%d" % number for number, _ in shown]


def test_names_and_counts_alone(files: Files):
    host, root = files
    write(root, "a", "x\nx\ny\n")
    write(root, "b", "y\n")
    write(root, "c", "x")
    assert [(hit.path, hit.count) for hit in grep(host, "x", mode=NAMES).hits] == [(b"a", 1), (b"c", 1)]
    assert [(hit.path, hit.count) for hit in grep(host, "x", mode=COUNTS).hits] == [(b"a", 2), (b"c", 1)]
    page = grep(host, "x", mode=COUNTS, matches=1)
    assert (page.more, page.cursor) == (True, b"a")
    after = grep(host, "x", "", page.cursor, page.place, page.number, mode=COUNTS)
    assert [hit.path for hit in after.hits] == [b"c"]


@pytest.mark.parametrize("matches", [1, 2, 3, 10])
@pytest.mark.parametrize("pattern", ["hit", "h.t", "^hit|t$"])
def test_pages_join_without_a_gap_or_a_double(files: Files, matches: int, pattern: str):
    host, root = files
    for name in ("a", "b/c", "d"):
        write(root, name, "".join(f"{'hit' if i % 3 else 'miss'} {i} hit\n" for i in range(9)))
    whole = grep(host, pattern).lines
    assert len(whole) == 27
    assert all_lines(host, pattern, matches=matches) == whole


def test_a_page_ends_when_enough_text_is_shown(files: Files):
    host, root = files
    write(root, "f", ("hit " + "x" * 96 + "\n") * 50)
    page = grep(host, "hit", text_bytes=1000)
    assert (len(page.lines), page.more) == (10, True)
    assert len(all_lines(host, "hit", text_bytes=1000)) == 50


def test_a_page_ends_when_enough_files_are_looked_at(files: Files):
    host, root = files
    for i in range(10):
        write(root, f"f{i}", "hit\n")
    page = grep(host, "hit", look=3)
    assert (len(page.lines), page.more, page.cursor, page.files) == (3, True, b"f2", 3)
    assert len(all_lines(host, "hit", look=3)) == 10


def test_binary_and_large_files_are_counted_and_left_out(files: Files):
    host, root = files
    write(root, "binary", b"hit\n\0")
    write(root, "late", b"hit\n" + b"x" * 9000 + b"\0\nhit\n")
    write(root, "large", b"hit\n" * 1000)
    write(root, "small", b"hit\n")
    page = grep(host, "hit", file_bytes=9999, mode=COUNTS)
    assert [(hit.path, hit.count) for hit in page.hits] == [(b"large", 1000), (b"late", 2), (b"small", 1)]
    assert (page.binary, page.large, page.files) == (1, 0, 4)
    page = grep(host, "hit", file_bytes=3999, mode=NAMES)
    assert (page.binary, page.large, page.files) == (1, 2, 2)
    assert [hit.path for hit in page.hits] == [b"small"]


def test_patterns_of_names_and_ignore_files_choose_the_files(files: Files):
    host, root = files
    for path in ("a.py", "b.txt", "s/c.py", "s/.d.py", "build/e.py"):
        write(root, path, "hit")
    write(root, ".gitignore", "build/\n")
    assert [path for path, _, _ in grep(host, "hit", include=["*.py"]).lines] == [
        b"a.py",
        b"build/e.py",
        b"s/.d.py",
        b"s/c.py",
    ]
    page = grep(host, "hit", include=["*.py"], exclude=["s/c.py"], flags=GITIGNORE | SKIP_HIDDEN)
    assert [path for path, _, _ in page.lines] == [b"a.py"]
    assert [path for path, _, _ in grep(host, "hit", depth=1).lines] == [b"a.py", b"b.txt"]


def test_a_single_file_is_looked_at_whatever_its_name(files: Files):
    host, root = files
    write(root, "s/.f", "hit\nno\nhit\n")
    page = grep(host, "hit", "s/.f", matches=1, flags=SKIP_HIDDEN, include=["x"])
    assert (page.lines, page.more, page.cursor) == ([(b"", 1, b"hit")], True, b"")
    rest = grep(host, "hit", "s/.f", page.cursor, page.place, page.number)
    assert (rest.lines, rest.more) == ([(b"", 3, b"hit")], False)


@pytest.mark.parametrize(
    ("path", "code"), [("absent", NOT_FOUND), ("pipe", NOT_A_FILE), ("..", OUTSIDE), ("out", OUTSIDE)]
)
def test_what_cannot_be_searched_is_refused(files: Files, path: str, code: int):
    host, root = files
    os.mkfifo(root / "pipe")
    (root / "out").symlink_to("/etc")
    with pytest.raises(FileError) as error:
        grep(host, "x", path)
    assert error.value.code == code


def test_links_and_pipes_in_a_tree_are_left_alone(files: Files):
    host, root = files
    write(root, "f", "hit")
    os.mkfifo(root / "pipe")
    (root / "l").symlink_to("f")
    (root / "up").symlink_to(".")
    assert grep(host, "hit").lines == [(b"f", 1, b"hit")]


@pytest.mark.parametrize(
    "given",
    [
        {"mode": 0},
        {"mode": 4},
        {"context": (51, 0)},
        {"context": (0, 51)},
        {"matches": 0},
        {"matches": 10_001},
        {"line_bytes": 0},
        {"line_bytes": 4097},
        {"text_bytes": 0},
        {"look": 0},
        {"pattern": "x" * 4097},
        {"include": [""]},
    ],
)
def test_what_is_out_of_its_bounds_is_invalid(files: Files, given: dict[str, Any]):
    host, _ = files
    given.setdefault("pattern", "x")
    with pytest.raises(FileError) as error:
        grep(host, **given)
    assert error.value.code == INVALID


def test_a_long_line_is_cut_around_the_match(files: Files):
    host, root = files
    write(root, "f", "a" * 500 + "hit" + "b" * 500 + "\nshort hit\n")
    line, short = grep(host, "hit", line_bytes=100).hits[0].lines
    assert (line.column, line.text_at, len(line.text), line.flags) == (501, 475, 100, 7)
    assert line.text == b"a" * 25 + b"hit" + b"b" * 72
    assert (short.flags, short.text) == (1, b"short hit")
    begin = grep(host, "^a", line_bytes=10).hits[0].lines[0]
    assert (begin.text_at, begin.text, begin.flags) == (0, b"a" * 10, 5)
    end = grep(host, "b$", line_bytes=10).hits[0].lines[0]
    assert (end.column, end.text_at, end.text, end.flags) == (1003, 993, b"b" * 10, 3)


@pytest.mark.parametrize("flags", [0, LITERAL])
@pytest.mark.parametrize("pattern", ["needle", "n[e]+dle", "needl."])
def test_lines_longer_than_any_buffer_are_found_in_and_counted(files: Files, flags: int, pattern: str):
    if flags and pattern != "needle":
        return
    host, root = files
    big = b"x" * 700_000
    write(root, "f", b"one\n" + big + b"needle" + big + b"\nthree needle\n" + big + b"\nfive\nneedle")
    page = grep(host, pattern, flags=flags, line_bytes=60)
    assert [(line.number, line.column) for line in page.hits[0].lines] == [(2, 700_001), (3, 7), (6, 1)]
    assert all(b"needle" in line.text for line in page.hits[0].lines)
    assert page.hits[0].lines[0].flags == 7
    assert [number for _, number, _ in all_lines(host, pattern, flags=flags, matches=1)] == [2, 3, 6]


@pytest.mark.parametrize("pattern", ["mark", "m.rk", "[m]ark$", "mark|nothing"])
def test_large_files_are_counted_through(files: Files, pattern: str):
    host, root = files
    chance = random.Random(1)  # noqa: S311 - a test's choices
    lines = [
        b"w" * chance.randint(0, 90) + (b" mark" if chance.random() < 0.002 else b"") for _ in range(40_000)
    ]
    data = b"\n".join(lines)
    write(root, "f", data)
    assert len(data) > 1_500_000
    assert seen(grep(host, pattern)) == model(data, pattern.encode())
    assert len(all_lines(host, pattern, matches=7)) == len(model(data, pattern.encode()))


def test_context_is_whole_wherever_the_buffer_moves(files: Files):
    host, root = files
    lines = [b"%06d" % i + b"." * (i % 50) for i in range(40_000)]
    write(root, "f", b"\n".join(lines))
    for hit in (3, 4095, 8190, 12_345, 39_998):
        got = grep(host, f"^{hit:06}", context=(5, 5)).hits[0].lines
        assert [line.text for line in got] == lines[max(hit - 5, 0) : hit + 6], hit
        assert [line.number for line in got] == list(range(max(hit - 5, 0) + 1, min(hit + 6, 40_000) + 1)), (
            hit
        )


def test_the_rest_of_the_context_comes_with_the_last_match_of_a_page(files: Files):
    host, root = files
    write(root, "f", "a\nhit\nb\nc\nd\nhit\ne\n")
    page = grep(host, "hit", matches=1, context=(1, 2))
    assert [line.text for line in page.hits[0].lines] == [b"a", b"hit", b"b", b"c"]
    rest = grep(host, "hit", "", page.cursor, page.place, page.number, context=(1, 2))
    assert [(line.number, line.text) for line in rest.hits[0].lines] == [(5, b"d"), (6, b"hit"), (7, b"e")]


def test_bytes_that_are_no_text_are_shown_as_they_are(files: Files):
    host, root = files
    write(root, os.fsdecode(b"\xfe"), b"\xff hit \xfe\r\n")
    page = grep(host, "hit")
    assert page.lines == [(b"\xfe", 1, b"\xff hit \xfe\r")]
    assert grep(host, ".hit").lines != []
    assert grep(host, "hit ..").lines == []


def test_an_etag_belongs_to_the_lines_that_came_with_it(files: Files):
    host, root = files
    path = root / "f"
    write(root, "f", "hit 000000\n")
    script = (
        "import sys\nf=open(sys.argv[1],'r+b',buffering=0)\nn=0\n"
        "while True: n+=1; f.seek(4); f.write(b'%06d' % (n % 1000000))"
    )
    writer = subprocess.Popen([sys.executable, "-c", script, str(path)])
    try:
        wait_until(lambda: path.read_bytes() != b"hit 000000\n", "the writer")
        for _ in range(40):
            hit = grep(host, "hit").hits[0]
            meta, data, _, changed = host.read("f")
            same = not hit.changed and not changed and hit.stat.etag == meta.etag
            # Linux stamps a file before it copies what is written: the one call that was under way may come after.
            assert not same or (int(data[4:10]) - int(hit.lines[0].text[4:])) % 1_000_000 in {0, 1}
    finally:
        writer.kill()
        writer.wait()


def test_a_fresh_file_has_the_etag_of_stat(files: Files):
    host, root = files
    for i in range(50):
        write(root, "f", f"hit {i}")
        page = grep(host, "hit")
        assert page.lines == [(b"f", 1, b"hit %d" % i)]
        assert page.hits[0].stat == host.stat("f")


HARD = [
    "(a*)*b",
    "(a|a)*b",
    "(a|aa)+$",
    "a{1,500}b",
    "(.*)(.*)(.*)(.*)x",
    "(a?){100}a{100}b",
    "(x+x+)+y",
    "[^z]*[^y]*q",
]


@pytest.mark.parametrize("pattern", HARD)
def test_no_pattern_takes_more_than_linear_time(files: Files, pattern: str, instrumented: bool):
    host, root = files
    write(root, "one", "a" * 50_000)
    write(root, "ten", "a" * 500_000)
    took: dict[str, float] = {}
    for name in ("one", "ten"):
        started = time.monotonic()
        grep(host, pattern, name)
        took[name] = time.monotonic() - started
    assert took["ten"] < (20 if instrumented else 4), took


def test_a_small_request_beside_a_search_does_not_wait_long(agent: Agent, host: Channel, instrumented: bool):
    for i in range(2000):
        write(agent.workspace, f"d{i % 20}/f{i}", "some text without it\n" * 100)
    with agent.host() as other:
        request_stop = time.monotonic() + 1.0
        waits: list[float] = []
        number = host.request()
        sent = 0
        while time.monotonic() < request_stop:
            if sent == 0 or host_done(host, number):
                number = host.request()
                begin_grep(host, number)
                sent += 1
            started = time.monotonic()
            other.stat("d0/f0")
            waits.append(time.monotonic() - started)
    waits.sort()
    assert waits[len(waits) // 2] < (0.05 if instrumented else 0.004), waits[-5:]


def begin_grep(host: Channel, number: int) -> None:
    fields = walk_fields("", "", 0, 0, (), (), 2**63) + struct.pack(">QQBHH", 0, 0, 1, 0, 0)
    host.send(GREP, number, fields + struct.pack(">IIIQ", 10, 100, 1000, 2**40) + text("[x-z]{7}q"))


def host_done(host: Channel, number: int) -> bool:
    if select.select([host.reader], [], [], 0)[0]:
        host.reply(number)
        return True
    return False


def test_a_search_that_is_given_up_leaves_nothing_behind(agent: Agent, host: Channel):
    for i in range(300):
        write(agent.workspace, f"d/e/f{i}", "x" * 5000)
    before = agent.descriptors()
    codes = {ABORTED}
    for _ in range(10):
        number = host.request()
        begin_grep(host, number)
        host.send(ABORT, number)
        try:
            assert host.reply(number).type == GREP_END  # it was faster
        except FileError as error:
            codes.add(error.code)
    assert codes == {ABORTED}
    assert agent.descriptors() == before
    assert len(find(host, "d/e", types=1).paths) == 300


@pytest.mark.parametrize("seed", range(6))
def test_random_texts_and_patterns_agree_with_python(files: Files, seed: int):
    host, root = files
    chance = random.Random(seed)  # noqa: S311 - a test's choices
    for _ in range(60):
        data = "".join(chance.choice("aab c_\n\né1") for _ in range(chance.randint(0, 200))).encode()
        write(root, "f", data)
        pattern = random_pattern(chance, 3)
        lines = data.decode().split("\n")
        if lines[-1] == "":
            lines.pop()
        expected = [
            (number, len(line[: match.start()].encode()) + 1)
            for number, line in enumerate(lines, 1)
            if (match := re.search(pattern, line, re.ASCII))
        ]
        got = [(number, column) for number, _, column, _ in seen(grep(host, pattern))]
        assert got == expected, (pattern, data)


def random_pattern(chance: random.Random, depth: int) -> str:
    kind = chance.random()
    if depth == 0 or kind < 0.4:
        return chance.choice(
            [
                "a",
                "b",
                "c",
                "é",
                ".",
                "_",
                "1",
                " ",
                "[ab]",
                "[^a]",
                r"\w",
                r"\d",
                r"\s",
                r"\b",
                "^",
                "$",
                r"\W",
            ]
        )
    if kind < 0.7:
        return "".join(random_pattern(chance, depth - 1) for _ in range(chance.randint(1, 3)))
    if kind < 0.85:
        return "(?:" + "|".join(random_pattern(chance, depth - 1) for _ in range(chance.randint(1, 3))) + ")"
    inner = random_pattern(chance, depth - 1)
    return f"(?:{inner})" + chance.choice(["*", "+", "?", "{2}", "{1,3}", "{2,}"])
