from __future__ import annotations

import hashlib
import os
import struct
import subprocess
from pathlib import Path

import pytest

import devbench_agent
from devbench_agent import program

PT_LOAD, PT_DYNAMIC, PT_INTERP = 1, 2, 3


def test_the_native_program_is_there_and_runs():
    path = devbench_agent.binary()
    assert os.access(path, os.X_OK)
    assert path == devbench_agent.binary(devbench_agent.native())
    done = subprocess.run([path, "--version"], capture_output=True, timeout=10, check=True)
    assert done.stdout.startswith(b"devbench-agent ")


def test_the_digest_is_that_of_the_file_also_after_it_was_rebuilt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    assert devbench_agent.digest() == hashlib.sha256(devbench_agent.binary().read_bytes()).hexdigest()
    monkeypatch.setattr(program, "_FOLDER", tmp_path)
    for content in (b"one", b"another"):
        (tmp_path / "devbench-agent-arm64").write_bytes(content)
        assert devbench_agent.digest("arm64") == hashlib.sha256(content).hexdigest()
    assert devbench_agent.available() == ("arm64",)


@pytest.mark.parametrize(
    ("asked", "named"), [("x86_64", "amd64"), ("aarch64", "arm64"), ("riscv64", "riscv64")]
)
def test_a_missing_program_is_named_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: str, named: str
):
    monkeypatch.setattr(program, "_FOLDER", tmp_path)
    with pytest.raises(devbench_agent.AgentBinaryMissing) as error:
        devbench_agent.binary(asked)
    assert error.value.architecture == named
    assert named in str(error.value)
    assert error.value.hint in str(error.value)


def test_the_kernels_names_of_architectures_are_understood():
    if devbench_agent.native() == "amd64":
        assert devbench_agent.binary("x86_64") == devbench_agent.binary("amd64")
    assert devbench_agent.PROTOCOL_VERSION == (1, 0)
    assert set(devbench_agent.available()) <= set(devbench_agent.ARCHITECTURES)


def program_headers(elf: bytes) -> list[int]:
    """The types of the segments of a 64-bit little-endian ELF file."""
    assert elf[:6] == b"\x7fELF\x02\x01"
    (at,) = struct.unpack_from("<Q", elf, 0x20)
    size, count = struct.unpack_from("<HH", elf, 0x36)
    return [struct.unpack_from("<I", elf, at + i * size)[0] for i in range(count)]


def test_the_program_needs_no_loader_and_no_library():
    segments = program_headers(devbench_agent.binary().read_bytes())
    assert PT_LOAD in segments
    assert PT_INTERP not in segments
    assert PT_DYNAMIC not in segments


def test_a_program_that_needs_a_library_would_be_seen():
    assert PT_INTERP in program_headers(Path("/bin/sh").resolve().read_bytes())


def test_a_guest_is_refused_where_no_agent_is_pid_1_and_without_the_streams_it_is_claimed_on():
    """It would end all processes of its user, so it must be sure of where it is."""
    assert Path("/proc/1/comm").read_text() != "devbench-agent\n"
    done = subprocess.run(
        [devbench_agent.binary(), "--guest", "--stdio"], capture_output=True, timeout=10, check=False
    )
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"cannot be a guest" in done.stderr
    for words in (["--guest", "--socket", "s"], ["connect", "--guest", "--socket", "s"]):
        command = [devbench_agent.binary(), *words]
        assert subprocess.run(command, capture_output=True, timeout=10, check=False).returncode == 2
