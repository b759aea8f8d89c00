"""The virtual machine: qemu, with a deadline; everything that it prints is passed on as it comes."""

import gzip
import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path

from cgroup2.kernel import Kernel
from engines import signals
from engines.install import find_program
from engines.progress import say

MACHINE_TIMEOUT_S = 600.0
END_TIMEOUT_S = 10.0
PACK_TIMEOUT_S = 60
MEMORY_MIB = 2048
CORES = 1
"""Two that are emulated wait for each other whenever the machine beneath is busy, and are slower than one."""

_KVM = Path("/dev/kvm")
_FOLDERS = ("bin", "dev", "layer", "lower", "modules", "proc", "root")


def run(kernel: Kernel, *, shared: Path, bytecode: Path) -> None:
    """Boot, and wait until the machine has switched itself off.

    Args:
        kernel: what to boot.
        shared: the folder that the machine sees as ``/run/shared`` and may write; its ``start.sh`` is what is run.
        bytecode: what it sees as ``/run/bytecode`` and may write.

    Raises:
        RuntimeError: it ran for longer than ``MACHINE_TIMEOUT_S``, and is off now.
    """
    with tempfile.TemporaryDirectory(prefix="devbench-boot-", dir="/var/tmp") as folder:
        initial = _initial_files(kernel, Path(folder))
        _supervise(_argv(kernel, initial, {"shared": shared, "bytecode": bytecode}))


def accelerated() -> bool:
    """Tell whether the processor helps: a device alone says nothing, in a nested machine it may be there in vain."""
    flags = Path("/proc/cpuinfo").read_text("utf-8").split()
    return os.access(_KVM, os.R_OK | os.W_OK) and bool({"vmx", "svm"} & set(flags))


def _argv(kernel: Kernel, initial: Path, written: Mapping[str, Path]) -> list[str]:
    share = "local,security_model=none,multidevs=remap"
    folders = [f"{share},path=/,mount_tag=root,readonly=on"]
    folders += [f"{share},path={path},mount_tag={name}" for name, path in written.items()]
    return [
        find_program("qemu-system-x86_64") or "qemu-system-x86_64",
        *(("-accel", "kvm") if accelerated() else ()), "-accel", "tcg",
        "-machine", "q35", "-cpu", "max", "-smp", str(CORES), "-m", str(MEMORY_MIB),
        "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-serial", "stdio",
        "-kernel", str(kernel.image), "-initrd", str(initial),
        "-append", "console=ttyS0 loglevel=3 panic=-1 mitigations=off",
        *(word for folder in folders for word in ("-virtfs", folder)),
    ]  # fmt: skip


def _initial_files(kernel: Kernel, folder: Path) -> Path:
    """Pack the files with which the kernel starts: busybox, modules and the first program."""
    busybox = find_program("busybox") or "busybox"
    tree, packed = folder / "tree", folder / "initial.gz"
    for name in _FOLDERS:
        (tree / name).mkdir(parents=True)
    shutil.copy(busybox, tree / "bin" / "busybox")
    for module in kernel.modules:
        shutil.copy(module, tree / "modules")
    shutil.copy(Path(__file__).with_name("init.sh"), tree / "init")
    (tree / "init").chmod(0o755)
    names = "\n".join(str(path.relative_to(tree)) for path in sorted(tree.rglob("*")))
    argv = [busybox, "cpio", "-o", "-H", "newc"]
    done = subprocess.run(
        argv, cwd=tree, input=names.encode(), capture_output=True, check=True, timeout=PACK_TIMEOUT_S
    )
    packed.write_bytes(gzip.compress(done.stdout, compresslevel=1))
    return packed


def _supervise(argv: list[str]) -> None:
    say(
        f"booting {'with' if accelerated() else 'without'} the processor's help (at most {MACHINE_TIMEOUT_S:g} s)"
    )
    with signals.deferred():
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            errors="replace", start_new_session=True,
        )  # fmt: skip
    late = threading.Timer(MACHINE_TIMEOUT_S, process.kill)
    late.start()
    try:
        for line in process.stdout or ():
            say(f"| {line.rstrip()}")
        process.wait()
    finally:
        late.cancel()
        with signals.ignored():
            process.kill()
            process.wait(END_TIMEOUT_S)
    if process.returncode == -signal.SIGKILL:
        raise RuntimeError(f"the machine was not done within {MACHINE_TIMEOUT_S:g} s, and was switched off")
    if process.returncode != 0:
        raise RuntimeError(f"qemu ended with {process.returncode}")
