"""Compiles the agent: with the C compiler that is there, else with the `ziglang` wheel.

`DEVBENCH_AGENT_ZIG=1` builds every architecture with zig: that is how release wheels are made.
"""

# hatchling is only there while a wheel is built, so its types are not known to the checker:
# pyright: reportMissingImports=false, reportUnknownVariableType=false, reportUntypedBaseClass=false
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ZIG = "ziglang>=0.13"
ZIG_TARGETS = {"amd64": "x86_64-linux-musl", "arm64": "aarch64-linux-musl"}
MACHINES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
# A static program runs on every Linux of its architecture, whatever the C library there.
TAGS = {
    "amd64": "py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.musllinux_1_1_x86_64",
    "arm64": "py3-none-manylinux_2_17_aarch64.manylinux2014_aarch64.musllinux_1_1_aarch64",
}
COMPILERS = ("musl-gcc", "gcc", "cc", "clang")
WARNINGS = ("-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Wstrict-prototypes", "-Wvla", "-Werror")
FLAGS = (
    "-std=c11",
    "-D_GNU_SOURCE",
    "-fstack-protector-strong",
    "-fno-strict-aliasing",
    "-Os",
    "-static",
    "-s",
)
LINK = ("-Wl,-z,relro", "-Wl,-z,now")
COMPILE_TIMEOUT_S = 600
PROBE = "#include <sys/epoll.h>\nint main(void) { return epoll_create1(0) < 0; }\n"


class AgentBuildHook(BuildHookInterface[Any]):
    """Puts the compiled agent into the package before a wheel (also an editable one) is made."""

    def dependencies(self) -> list[str]:
        """What the build needs besides this file: zig, only where no compiler can do it."""
        return [ZIG] if _wants_all() or not _native_compilers() else []

    _scratch: tempfile.TemporaryDirectory[str] | None = None

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and say which machines the wheel is for."""
        root = Path(self.root)
        folder = self._folder(root, version)
        architectures = list(ZIG_TARGETS) if _wants_all() else [_native()]
        for architecture in architectures:
            _build(
                root / "agent", folder / f"devbench-agent-{architecture}", architecture, self.metadata.version
            )
        build_data["pure_python"] = False
        # With both inside, the wheel serves every host: the program runs in containers, not beside Python.
        build_data["tag"] = "py3-none-any" if len(architectures) > 1 else TAGS[architectures[0]]
        if version != "editable":
            names = [path.name for path in folder.iterdir()]
            build_data["force_include"] |= {
                str(folder / name): f"devbench_agent/bin/{name}" for name in names
            }

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove what was compiled for this wheel only."""
        del version, build_data, artifact_path
        if self._scratch is not None:
            self._scratch.cleanup()

    def _folder(self, root: Path, version: str) -> Path:
        """Where to compile to: beside the sources only when they are what runs."""
        if version == "editable":
            folder = root / "src" / "devbench_agent" / "bin"
            folder.mkdir(parents=True, exist_ok=True)
            return folder
        self._scratch = tempfile.TemporaryDirectory(prefix="devbench-agent-")
        return Path(self._scratch.name)


def _wants_all() -> bool:
    return os.environ.get("DEVBENCH_AGENT_ZIG") == "1"


def _native() -> str:
    machine = platform.machine().lower()
    if sys.platform == "linux" and machine in MACHINES:
        return MACHINES[machine]
    message = (
        f"no agent can be built for {sys.platform} on {machine}; set DEVBENCH_AGENT_ZIG=1 to build for Linux"
    )
    raise RuntimeError(message)


def _native_compilers() -> list[str]:
    """Those that are there and can link a static program."""
    return [name for name in COMPILERS if shutil.which(name) and _links_statically(name)]


def _links_statically(compiler: str) -> bool:
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch, "probe.c")
        source.write_text(PROBE)
        command = [compiler, "-static", "-o", str(source.with_suffix("")), str(source)]
        done = subprocess.run(  # noqa: S603 (a compiler by its fixed name)
            command, capture_output=True, timeout=COMPILE_TIMEOUT_S, check=False
        )
    return done.returncode == 0


def _compiler(architecture: str) -> list[str]:
    native = [] if _wants_all() else _native_compilers()
    if native:
        return [native[0]]
    return [sys.executable, "-m", "ziglang", "cc", "-target", ZIG_TARGETS[architecture]]


def _build(sources: Path, target: Path, architecture: str, version: str) -> None:
    staged = target.with_suffix(".new")
    command = [
        *_compiler(architecture),
        *FLAGS,
        *WARNINGS,
        *LINK,
        f'-DAGENT_VERSION="{version}"',
        "-o",
        str(staged),
        *sorted(str(path) for path in sources.glob("*.c")),
    ]
    done = subprocess.run(  # noqa: S603 (a compiler by its fixed name)
        command, capture_output=True, text=True, timeout=COMPILE_TIMEOUT_S, check=False
    )
    if done.returncode != 0:
        message = f"the agent for {architecture} did not compile:\n{' '.join(command)}\n{done.stderr}"
        raise RuntimeError(message)
    staged.chmod(0o755)
    staged.replace(target)
