"""What an engine can enforce, as it says itself."""

from __future__ import annotations

from typing import Any

from devbench_core.contracts.runtime import EngineInfo
from devbench_core.engines.architectures import architecture
from devbench_core.errors import EngineFailed
from devbench_core.model.capabilities import Capabilities
from devbench_core.model.policy import Clause


def capabilities_of(info: dict[str, Any]) -> Capabilities:
    """Return what the engine enforces, and why not where it does not.

    Raises:
        EngineFailed: It does not run Linux containers.
    """
    if info.get("OSType") != "linux":
        raise EngineFailed(f"this Docker engine runs {info.get('OSType')} containers; devbench needs Linux")
    reasons = _absent(info)
    return Capabilities(
        enforces=frozenset(Clause) - reasons.keys(),
        reasons=reasons,
        architectures=(architecture(info.get("Architecture")),),
    )


def engine_info(version: dict[str, Any], info: dict[str, Any], api_version: str) -> EngineInfo:
    """Return what `ping` shows; ``info`` may be empty."""
    facts = {
        "storage driver": info.get("Driver"),
        "cgroup version": info.get("CgroupVersion"),
        "cgroup driver": info.get("CgroupDriver"),
        "default runtime": info.get("DefaultRuntime"),
        "rootless": "yes" if _is_rootless(info) else "no",
        "kernel": version.get("KernelVersion"),
    }
    return EngineInfo(
        name="Docker Engine",
        version=str(version.get("Version", "")),
        api_version=api_version,
        details={name: str(value) for name, value in facts.items() if value},
    )


def notes_of(info: dict[str, Any]) -> tuple[str, ...]:
    """Return advice for people."""
    notes: list[str] = []
    if not info.get("SwapLimit"):
        notes.append(
            "swap is not limited by this kernel: a container may swap beyond its memory where the host has swap"
        )
    return tuple(notes)


def _absent(info: dict[str, Any]) -> dict[Clause, str]:
    where = "rootless Docker without delegated cgroups" if _is_rootless(info) else "this kernel's cgroups"
    reasons: dict[Clause, str] = {}
    for clause, field, what in (
        (Clause.MEMORY, "MemoryLimit", "memory"),
        (Clause.CPU, "CpuCfsQuota", "processor time"),
        (Clause.PIDS, "PidsLimit", "the number of processes"),
    ):
        if not info.get(field):
            reasons[clause] = f"Docker says that {where} cannot limit {what}; enable that controller"
    profile = _security(info, "seccomp")
    if profile is None or "profile=unconfined" in profile:
        reasons[Clause.SECCOMP] = "this Docker engine has no default system call filter; enable seccomp in it"
    return reasons


def _is_rootless(info: dict[str, Any]) -> bool:
    return _security(info, "rootless") is not None


def _security(info: dict[str, Any], name: str) -> str | None:
    options: list[str] = info.get("SecurityOptions") or []
    return next((option for option in options if option.split(",")[0] == f"name={name}"), None)
