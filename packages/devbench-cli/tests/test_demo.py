from __future__ import annotations

import io
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from devbench_cli.demo import program
from devbench_cli.demo.image import is_static, root_file_system, static_busybox
from devbench_cli.demo.narrator import DemoFailed, Narrator
from devbench_cli.options import Options

Devbench = Callable[..., "subprocess.CompletedProcess[str]"]


def run_test(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    (folder / program.PROGRAM).write_text(text)
    (folder / program.TEST).write_text(program.TEST_PROGRAM)
    return subprocess.run(["sh", program.TEST], check=False, cwd=folder, capture_output=True, text=True)


def test_the_broken_program_fails_its_test_and_the_mended_one_passes(tmp_path: Path):
    broken, mended = run_test(tmp_path, program.BROKEN), run_test(tmp_path, program.MENDED)
    assert (broken.returncode, broken.stderr) == (1, f"{program.FAILED}\n")
    assert (mended.returncode, mended.stderr) == (0, "")
    assert program.PASSED_AT_LAST in mended.stdout


def test_a_claim_that_does_not_hold_ends_the_demo_with_the_step_and_the_claim():
    narrator = Narrator(Options(quiet=True))
    narrator.step("Run the test")
    with pytest.raises(DemoFailed, match=r"step 1 \(Run the test\): not so: it exits with 0"):
        narrator.expect(False, "it exits with 0")


def test_a_static_program_is_told_from_one_that_needs_libraries():
    assert not is_static(Path(sys.executable).resolve().read_bytes())
    assert not is_static(b"#!/bin/sh\n")
    busybox = static_busybox()
    assert busybox is not None, "install busybox-static"
    assert is_static(busybox.read_bytes())


def test_the_demos_image_has_a_shell_and_what_the_program_needs():
    busybox = static_busybox()
    assert busybox is not None
    with tarfile.open(fileobj=io.BytesIO(root_file_system(busybox))) as tar:
        names = tar.getnames()
        assert {"bin/busybox", "bin/sh", "bin/printf", "tmp", "workspace"} <= set(names)
        assert tar.getmember("bin/sh").linkname == "busybox"


def test_without_its_runtime_the_demo_says_which_command_installs_it(devbench: Devbench):
    done = devbench("demo", env={"PATH": str(Path(sys.executable).parent)})
    assert done.returncode == 69
    assert "bubblewrap" in done.stderr
    assert "devbench demo --install-missing" in done.stderr
    assert "apt-get install -y bubblewrap" in done.stderr


def test_a_runtime_that_is_not_installed_is_named_beside_those_that_are(devbench: Devbench):
    done = devbench("demo", "--runtime", "kubernetes")
    assert done.returncode == 78
    assert "runtime 'kubernetes' is not installed; there are:" in done.stderr
