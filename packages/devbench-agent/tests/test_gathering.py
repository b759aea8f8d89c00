"""Output that follows other output at once is gathered; what somebody waits for goes at once."""

from __future__ import annotations

import struct

from agent_wire import INHERIT_ENV, STDIN_STREAM, WINDOW, Channel

BLOCK = 65_536
SIZE = 20 * 1000 * 1000


def test_what_is_written_without_a_pause_travels_in_whole_blocks(host: Channel):
    script = f"import os\nfor _ in range({SIZE // 1000}): os.write(1, b'x' * 1000)"
    run = host.run(1, ["python3", "-c", script])
    assert len(run.stdout) == SIZE
    assert len(run.pieces) < SIZE / 1000 / 4  # a piece for each write, otherwise


def test_a_small_piece_right_behind_another_comes_while_its_program_rests(host: Channel):
    script = (
        "import os,sys\nfor line in sys.stdin.buffer: os.write(1, b'a'); os.write(2, b'b'); os.write(1, b'c')"
    )
    run = host.start(1, ["python3", "-u", "-c", script], flags=INHERIT_ENV | STDIN_STREAM)
    for number in range(1, 11):
        host.stdin(run, 2 * (number - 1), b"\n\n")
        host.pump(lambda wanted=number: len(run.stdout) + len(run.stderr) == 6 * wanted)
    host.stdin_eof(run, 20)
    assert host.finish(run).exit_code == 0
    assert (run.stdout, run.stderr) == (b"ac" * 20, b"b" * 20)


def test_what_is_gathered_comes_before_the_ending(host: Channel):
    for handle in range(1, 51):
        run = host.run(handle, ["sh", "-c", "printf 1; printf 2; printf 3 >&2; printf 4"])
        assert (run.stdout, run.stderr) == (b"124", b"3")
        assert run.next == 4


def test_a_window_that_ends_within_a_block_is_used_to_its_end(host: Channel):
    run = host.start(1, ["head", "-c", str(3 * BLOCK), "/dev/zero"], window=BLOCK + 100)
    host.pump(lambda: len(run.stdout) == BLOCK + 100)
    host.send(WINDOW, 1, struct.pack(">Q", 2 * BLOCK + 5))
    host.pump(lambda: len(run.stdout) == 2 * BLOCK + 5)
    host.send(WINDOW, 1, struct.pack(">Q", 4 * BLOCK))
    assert host.finish(run).exit_code == 0
    assert len(run.stdout) == 3 * BLOCK
