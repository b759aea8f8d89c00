from __future__ import annotations

import errno
import platform
import shutil
import subprocess
import time
import zipfile
from pathlib import Path

import pytest

from agent_wire import Channel, connect

TOKEN = bytes(range(32))
DEADLINE_S = 60.0  # an emulator is slow on its first page of everything
MACHINES = {"amd64": 62, "arm64": 183}  # e_machine
EMULATORS = {"amd64": "qemu-x86_64-static", "arm64": "qemu-aarch64-static"}
pytestmark = pytest.mark.timeout(1500)  # the first build with zig compiles a C library
NATIVE = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]


def test_one_wheel_carries_both_architectures_for_every_host(wheel: Path, unpacked: Path):
    assert wheel.name.endswith("-py3-none-any.whl")
    for name, machine in MACHINES.items():
        program = unpacked / "bin" / f"devbench-agent-{name}"
        head = program.read_bytes()[:20]
        assert head[:4] == b"\x7fELF"
        assert int.from_bytes(head[18:20], "little") == machine
        assert program.stat().st_mode & 0o777 == 0o755
        assert program.stat().st_size < 400_000


def test_the_programs_need_no_library(unpacked: Path):
    for name in MACHINES:
        content = (unpacked / "bin" / f"devbench-agent-{name}").read_bytes()
        assert b"/ld-" not in content


def test_the_wheel_holds_no_sources(wheel: Path):
    with zipfile.ZipFile(wheel) as archive:
        assert not [name for name in archive.namelist() if name.endswith((".c", ".h"))]


def start(unpacked: Path, name: str, folder: Path) -> tuple[subprocess.Popen[bytes], Path]:
    program = str(unpacked / "bin" / f"devbench-agent-{name}")
    emulator = [] if name == NATIVE else [EMULATORS[name]]
    assert not emulator or shutil.which(emulator[0]), f"{emulator[0]} is missing: install qemu-user-static"
    socket = folder / "s"
    (folder / "w").mkdir()
    process = subprocess.Popen(
        [*emulator, program, "--socket", str(socket), "--workspace", str(folder / "w")]
    )
    until = time.monotonic() + DEADLINE_S
    while not socket.exists():
        assert time.monotonic() < until
        assert process.poll() is None
        time.sleep(0.01)
    return process, socket


def use_files(host: Channel) -> None:
    host.hello()
    host.auth(TOKEN, claim=True)
    etag = host.write("f", b"hello")[1].etag
    host.write("f", b"world", 8, match=etag)
    assert host.read("f")[1] == b"world"


def use_commands(host: Channel, *, emulated: bool) -> None:
    run = host.start(1, ["/bin/sh", "-c", "echo hi; exit 7"])
    if emulated and run.failed:
        # An emulator may not know subreapers; then the agent starts nothing that it could not end.
        assert run.failed == (6, errno.EINVAL)
        return
    assert host.finish(run).exit_code == 7
    assert bytes(run.stdout) == b"hi\n"
    slow = host.start(2, ["/bin/sh", "-c", "sleep 100 & sleep 100"], timeout_ms=300, grace_ms=50)
    assert host.finish(slow, within_s=DEADLINE_S).reason == 3


@pytest.mark.parametrize("name", MACHINES)
def test_each_architecture_shakes_hands_and_works(unpacked: Path, tmp_path: Path, name: str):
    process, socket = start(unpacked, name, tmp_path)
    try:
        with connect(socket) as host:
            use_files(host)
            use_commands(host, emulated=name != NATIVE)
    finally:
        process.kill()
        process.wait()
