"""The session: installs and fetches what is absent, boots the machine, and reads what its tests reported."""

import json
import os
import platform
import shlex
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from cgroup2 import bytecode, kernel, machine
from cgroup2.reports import Report, read
from cgroup2.roles import REPOSITORY, ROLES
from engines import signals
from engines.install import NEEDS, Need, install_missing
from engines.privilege import PrivilegeMissingError, become_root, give_back
from engines.progress import say
from harness.loop_stall import SLOWDOWN_VARIABLE

EMULATION_SLOWDOWN = "8"
NO_TESTS = 5
_SHARED_WITH_OTHERS = ("bwrap", "busybox", "gcc", "/usr/include/stdio.h", "setpriv")
MACHINE_NEEDS = (
    Need(probe="qemu-system-x86_64", package="qemu-system-x86", why="the virtual machine"),
    *(need for need in NEEDS if need.probe in _SHARED_WITH_OTHERS),
)


def main(arguments: Sequence[str]) -> int:
    """Run the tests in a machine; the arguments go to pytest in every role. Return the exit code."""
    signals.install()
    become_root([sys.executable, *sys.argv])
    try:
        return _main(arguments)
    except (PrivilegeMissingError, RuntimeError) as error:
        say(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        say("interrupted; the machine is off")
        return 130
    finally:
        give_back(REPOSITORY)


def _main(arguments: Sequence[str]) -> int:
    if platform.machine() != "x86_64":
        raise RuntimeError(
            f"the machine is an x86-64 one, and no kernel for it is known on {platform.machine()}"
        )
    install_missing(MACHINE_NEEDS)
    booted = kernel.provide()
    say(f"the kernel is {booted.folder.name}")
    compiled = bytecode.provide()
    with tempfile.TemporaryDirectory(prefix="devbench-cgroup2-", dir="/var/tmp") as private:
        shared = Path(private) / "shared"
        _prepare(shared, arguments)
        machine.run(booted, shared=shared, bytecode=compiled)
        return _judge(shared, all_of_them=not arguments)


def _prepare(shared: Path, arguments: Sequence[str]) -> None:
    shared.mkdir()
    shared.chmod(
        0o1777
    )  # the ordinary user of the machine writes its report into it; the folder above is private
    inside = shlex.join([sys.executable, str(Path(__file__).with_name("inside.py")), "/run/shared"])
    variables = {
        "HOME": "/tmp",  # the machine's own
        "PATH": os.environ.get("PATH", os.defpath),
        "PYTHONPYCACHEPREFIX": "/run/bytecode",
        "LANG": "C.UTF-8",
        SLOWDOWN_VARIABLE: "1" if machine.accelerated() else EMULATION_SLOWDOWN,
    }
    exports = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items())
    # The shell stays the first process and collects the endings of those that nobody else waits for.
    (shared / "start.sh").write_text(f"{exports}{inside}\nsync\nexec busybox poweroff -f\n", "utf-8")
    needed = {REPOSITORY, Path(sys.prefix).resolve(), Path(sys.base_prefix).resolve()}
    (shared / "kept").write_text("".join(f"{path}\n" for path in sorted(needed)), "utf-8")
    (shared / "arguments.json").write_text(json.dumps(list(arguments)), "utf-8")


def _judge(shared: Path, *, all_of_them: bool) -> int:
    """Say what each role's tests reported; 0 when all ended well, and each role had some (unless they were chosen)."""
    ended = shared / "ends.json"
    ends: dict[str, int] = json.loads(ended.read_text("utf-8")) if ended.exists() else {}
    reports = {role.name: read(shared / f"{role.name}.xml") for role in ROLES}
    good = {0} if all_of_them else {0, NO_TESTS}
    bad = [name for name in reports if ends.get(name) not in good]
    for name, report in reports.items():
        _tell(name, report)
    for name in bad:
        say(f"{name}: pytest ended with {ends.get(name, 'nothing')}")
    enough = all if all_of_them else any
    return 0 if not bad and enough(report.passed for report in reports.values()) else 1


def _tell(name: str, report: Report) -> None:
    say(f"{name}: {len(report.passed)} passed, {len(report.failed)} failed, {len(report.skipped)} skipped")
    for what, tests in (("passed", report.passed), ("skipped", report.skipped), ("FAILED", report.failed)):
        for test in tests:
            say(f"  {what} {test}")
