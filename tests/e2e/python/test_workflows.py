"""Whole workflows through the Python API, on every runtime."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

import pytest

import devbench_core
from devbench_core.containers import SpawnRequest
from devbench_core.errors import (
    FileConflict,
    ImageNotFound,
    PathOutside,
    ValidationFailed,
)
from devbench_core.model.container import Status
from devbench_core.model.execution import Exec, ExecReason, ExecRequest, StreamName

Bench = devbench_core.Bench


async def run(bench: Bench, container: str, *argv: str, **more: Any) -> tuple[Exec, bytes, bytes]:
    """Run a command to its end; return its record, stdout and stderr."""
    started = await bench.execs.start(container, ExecRequest(argv=argv, **more))
    done = await bench.execs.wait(started.id, wait_s=30)
    out = {StreamName.STDOUT: b"", StreamName.STDERR: b""}
    cursor = 0
    while True:
        page = await bench.execs.poll(started.id, after=cursor)
        for chunk in page.chunks:
            out[chunk.stream] += chunk.data
        cursor = page.cursor
        if page.ending is not None:
            return done, out[StreamName.STDOUT], out[StreamName.STDERR]


def reason(done: Exec) -> ExecReason | None:
    return done.ending.reason if done.ending else None


async def test_a_program_is_written_tested_mended_and_tested_again(bench: Bench, lab: str):
    await bench.files.write(lab, "double.sh", b'echo "$(($1 + 2))"\n')
    await bench.files.write(lab, "test.sh", b'[ "$(sh double.sh 21)" = 42 ] || { echo wrong >&2; exit 1; }\n')
    done, _, err = await run(bench, lab, "sh", "test.sh")
    assert done.ending is not None
    assert (done.ending.exit_code, err) == (1, b"wrong\n")
    seen = await bench.files.read(lab, "double.sh")
    mended = seen.data.replace(b"+", b"*")
    await bench.files.write(lab, "double.sh", mended, if_match=seen.info.etag)
    done, _, _ = await run(bench, lab, "sh", "test.sh")
    assert done.ending is not None
    assert done.ending.exit_code == 0
    assert (await bench.containers.kill(lab)).status is Status.GONE


async def test_two_writers_with_one_etag_cannot_overwrite_each_other_unseen(bench: Bench, lab: str):
    first = await bench.files.write(lab, "note", b"one")
    await bench.files.write(lab, "note", b"two", if_match=first.info.etag)
    with pytest.raises(FileConflict) as caught:
        await bench.files.write(lab, "note", b"three", if_match=first.info.etag)
    current = await bench.files.read(lab, "note")
    assert current.data == b"two"
    assert caught.value.details["etag"] == current.info.etag


async def test_a_commands_change_of_a_file_is_seen_by_its_etag(bench: Bench, lab: str):
    written = await bench.files.write(lab, "note", b"one")
    await run(bench, lab, "sh", "-c", "printf two > note")
    with pytest.raises(FileConflict):
        await bench.files.write(lab, "note", b"three", if_match=written.info.etag)


async def test_a_timeout_ends_the_whole_tree_and_a_bystander_survives(bench: Bench, lab: str):
    bystander = await bench.execs.start(lab, ExecRequest(argv=("sleep", "600")))
    loop = "while :; do sleep 0.05; done"
    script = f"trap '' TERM; (setsid sh -c 'trap \"\" TERM; {loop}' &); {loop}"
    done, _, _ = await run(bench, lab, "sh", "-c", script, timeout_s=0.5, grace_s=0.2)
    assert reason(done) is ExecReason.TIMED_OUT
    _, listing, _ = await run(bench, lab, "sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
    assert listing.count(b"sleep 600") == 1
    assert b"while :" not in listing.replace(b"cat /proc", b"")
    cancelled = await bench.execs.cancel(bystander.id)
    assert reason(cancelled) is ExecReason.CANCELLED


async def test_a_directory_is_made_for_the_commands_user_when_that_is_asked_for(bench: Bench, lab: str):
    cwd = PurePosixPath("new/deep")
    done, _, _ = await run(bench, lab, "true", cwd=cwd)
    assert done.ending is not None
    assert done.ending.failure == "bad_directory"
    done, out, _ = await run(bench, lab, "sh", "-c", "pwd; echo x > file; id -u", cwd=cwd, create_cwd=True)
    assert done.ending is not None
    assert done.ending.exit_code == 0
    path, uid = out.decode().split()
    assert path == "/workspace/new/deep"
    assert (await bench.files.stat(lab, "new")).uid == int(uid)
    with pytest.raises(PathOutside, match="/opt/new"):
        await run(bench, lab, "true", cwd=PurePosixPath("/opt/new"), create_cwd=True)


async def test_a_command_runs_as_its_containers_user_and_as_nobody_else(bench: Bench, lab: str):
    _, out, _ = await run(bench, lab, "id", "-u")
    own = out.decode().strip()
    done, _, _ = await run(bench, lab, "true", user=own)
    assert reason(done) is ExecReason.EXITED
    with pytest.raises(ValidationFailed, match=f"run as {own}:.*; none can run as 0"):
        await run(bench, lab, "true", user="0")


async def test_endings_are_exact(bench: Bench, lab: str):
    done, _, _ = await run(bench, lab, "sh", "-c", "exit 200")
    assert done.ending is not None
    assert (done.ending.reason, done.ending.exit_code) == (ExecReason.EXITED, 200)
    done, _, _ = await run(bench, lab, "sh", "-c", "kill -9 $$")
    assert done.ending is not None
    assert (done.ending.reason, done.ending.signal) == (ExecReason.SIGNALED, 9)
    done, _, _ = await run(bench, lab, "no-such-program")
    assert done.ending is not None
    assert (done.ending.reason, done.ending.failure) == (ExecReason.FAILED_TO_START, "not_found")


async def test_output_is_separate_exact_and_repeatable(bench: Bench, lab: str):
    data = bytes(range(256)) * 4096
    _, out, err = await run(bench, lab, "sh", "-c", "cat; echo done >&2", stdin=data)
    assert out == data
    assert err == b"done\n"


async def test_output_can_be_followed_while_it_is_written(bench: Bench, lab: str):
    script = "echo first; sleep 0.5; echo second"
    started = await bench.execs.start(lab, ExecRequest(argv=("sh", "-c", script)))
    page = await bench.execs.poll(started.id, wait_s=10)
    assert (page.chunks[0].data, page.ending) == (b"first\n", None)
    page = await bench.execs.poll(started.id, after=page.cursor, wait_s=10)
    assert page.chunks[0].data == b"second\n"


@pytest.mark.parametrize("path", ["../outside", "/etc/passwd", "a/../../b", "link/passwd"])
async def test_no_path_leads_out_of_the_workspace(bench: Bench, lab: str, path: str):
    await run(bench, lab, "ln", "-s", "/etc", "link")
    with pytest.raises(PathOutside):
        await bench.files.read(lab, path)


async def test_a_container_is_as_isolated_as_its_policy_says(bench: Bench, lab: str):
    _, status, _ = await run(bench, lab, "cat", "/proc/self/status")
    fields = dict(line.split(":\t", 1) for line in status.decode().splitlines() if ":\t" in line)
    assert fields["CapEff"] == "0000000000000000"
    assert fields["CapBnd"] == "0000000000000000"
    assert fields["NoNewPrivs"] == "1"
    assert fields["Seccomp"] == "2"
    assert fields["Uid"].split()[0] != "0"
    done, _, _ = await run(bench, lab, "touch", "/usr/forbidden")
    assert done.ending is not None
    assert done.ending.exit_code != 0
    _, links, _ = await run(bench, lab, "cat", "/proc/net/dev")
    assert [line.split(b":")[0].strip() for line in links.splitlines()[2:]] == [b"lo"]


async def test_twenty_callers_get_twenty_answers(bench: Bench, lab: str):
    async def one(number: int) -> bytes:
        await bench.files.write(lab, f"n{number}", str(number).encode())
        return (await bench.files.read(lab, f"n{number}")).data

    answers: Sequence[bytes] = await asyncio.gather(*(one(number) for number in range(20)))
    assert answers == [str(number).encode() for number in range(20)]
    listing = await bench.files.list(lab)
    assert len(listing.entries) == 20


async def test_an_unknown_image_is_named(bench: Bench):
    with pytest.raises(ImageNotFound, match="no-such-image"):
        await bench.containers.spawn(SpawnRequest(image="no-such-image"))
