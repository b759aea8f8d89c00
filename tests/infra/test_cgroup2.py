"""The machine with version 2 only: what is loaded into it, and that its tests run nowhere else unseen."""

import lzma
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cgroup2.kernel import load_order
from cgroup2.reports import read
from cgroup2.roles import PLUGIN, REPOSITORY, VERSION_2_VARIABLE

NO_TESTS = 5
TIMEOUT_S = 60


def module(path: Path, *needs: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    data = b"\x7fELF license=GPL\0depends=" + ",".join(needs).encode() + b"\0name=it\0"
    path.write_bytes(lzma.compress(data) if path.suffix == ".xz" else data)


def test_modules_are_loaded_after_what_they_need_and_built_in_ones_not_at_all(tmp_path: Path):
    drivers = tmp_path / "kernel" / "drivers"
    module(drivers / "virtio_pci.ko", "virtio-ring", "virtio")
    module(drivers / "virtio.ko.xz", "virtio_ring")
    module(drivers / "virtio-ring.ko")
    module(tmp_path / "kernel" / "9pnet_virtio.ko", "virtio", "9pnet")
    module(tmp_path / "kernel" / "9p.ko", "9pnet")
    module(tmp_path / "kernel" / "unwanted.ko")
    (tmp_path / "modules.builtin").write_text("kernel/net/9pnet.ko\nkernel/fs/overlayfs/overlay.ko\n")
    loaded = list(load_order(tmp_path))
    assert [name for name, _ in loaded] == ["virtio_ring", "virtio", "virtio_pci", "9pnet_virtio", "9p"]
    assert all(data.startswith(b"\x7fELF") for _, data in loaded)


def test_a_kernel_without_a_wanted_module_is_refused_by_its_name(tmp_path: Path):
    (tmp_path / "modules.builtin").write_text("")
    with pytest.raises(RuntimeError, match="virtio_pci"):
        list(load_order(tmp_path))


def pytest_on_version_2(report: Path, **variables: str) -> int:
    environment = {name: value for name, value in os.environ.items() if name != VERSION_2_VARIABLE}
    own = (f"--junitxml={report}", f"--basetemp={report.with_name('tests')}")
    options = ["-q", "-p", "no:cacheprovider", *own, "-k", "each_limit_is"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", str(PLUGIN / "cgroup2"), *options],
        cwd=REPOSITORY,
        env=environment | variables,
        capture_output=True,
        check=False,
        timeout=TIMEOUT_S,
    ).returncode


def test_outside_of_the_machine_its_tests_are_not_collected(tmp_path: Path):
    assert pytest_on_version_2(tmp_path / "report.xml") == NO_TESTS


@pytest.mark.skipif(
    len(Path("/proc/self/cgroup").read_text("utf-8").splitlines()) == 1,
    reason="this kernel has version 2 only",
)
def test_where_there_is_version_1_its_tests_fail_and_are_not_skipped(tmp_path: Path):
    report = tmp_path / "report.xml"
    assert pytest_on_version_2(report, **{VERSION_2_VARIABLE: "here"}) == 1
    seen = read(report)
    assert seen.failed
    assert (seen.passed, seen.skipped) == ((), ())
