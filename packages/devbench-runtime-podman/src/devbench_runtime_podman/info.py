"""What a service can enforce, as it says itself."""

from __future__ import annotations

from typing import Any

from devbench_core.contracts.runtime import EngineInfo
from devbench_core.engines.answers import table
from devbench_core.engines.architectures import architecture
from devbench_core.errors import EngineFailed
from devbench_core.model.capabilities import Capabilities
from devbench_core.model.policy import Clause

Json = dict[str, Any]
_CONTROLLERS = (
    (Clause.MEMORY, "memory", "memory"),
    (Clause.CPU, "cpu", "processor time"),
    (Clause.PIDS, "pids", "the number of processes"),
)


def capabilities_of(info: Json) -> Capabilities:
    """Return what the service enforces, and why not where it does not.

    Raises:
        EngineFailed: It does not run Linux containers.
    """
    host = table(info, "host")
    if host.get("os") != "linux":
        raise EngineFailed(f"this Podman runs {host.get('os')} containers; devbench needs Linux")
    reasons = _absent(host)
    return Capabilities(
        enforces=frozenset(Clause) - reasons.keys(),
        reasons=reasons,
        architectures=(architecture(host.get("arch")),),
    )


def engine_info(version: str, info: Json) -> EngineInfo:
    """Return what `ping` shows; ``info`` may be empty."""
    host = table(info, "host")
    facts = {
        "storage driver": table(info, "store").get("graphDriverName"),
        "cgroup version": host.get("cgroupVersion"),
        "cgroup manager": host.get("cgroupManager"),
        "runtime": table(host, "ociRuntime").get("name"),
        "rootless": "yes" if is_rootless(info) else "no",
        "kernel": host.get("kernel"),
    }
    return EngineInfo(
        name="Podman",
        version=version,
        api_version=version,
        details={name: str(value) for name, value in facts.items() if value},
    )


def is_rootless(info: Json) -> bool:
    """Tell whether the service runs as an ordinary user."""
    return bool(table(info, "host", "security").get("rootless"))


def highest_id(info: Json) -> int | None:
    """Return the highest user and group id that containers can have, None for all."""
    mappings = table(info, "host", "idMappings")
    ends: list[int] = []
    for kind in ("uidmap", "gidmap"):
        ranges: list[dict[str, int]] = mappings.get(kind) or []
        ends += [max(each["container_id"] + each["size"] for each in ranges)] if ranges else []
    return min(ends) - 1 if ends else None


def notes_of(info: Json) -> tuple[str, ...]:
    """Return advice for people."""
    host = table(info, "host")
    notes: list[str] = []
    if table(host, "ociRuntime").get("name") == "crun" and host.get("cgroupVersion") == "v1":
        notes.append(
            "crun starts nothing where control groups of both versions are mounted; "
            'if containers do not start, set runtime = "runc" beneath [engine] in containers.conf'
        )
    if is_rootless(info) and table(info, "store").get("graphDriverName") == "vfs":
        notes.append(
            "storage driver vfs copies the whole image for each container; install fuse-overlayfs for overlay"
        )
    return tuple(notes)


def _absent(host: Json) -> dict[Clause, str]:
    controllers: list[str] = host.get("cgroupControllers") or []
    rootless = bool(table(host, "security").get("rootless"))
    where = "rootless Podman without delegated control groups" if rootless else "this kernel's control groups"
    mend = "delegate the controllers to this user (Delegate=yes)" if rootless else "enable that controller"
    reasons = {
        clause: f"Podman says that {where} cannot limit {what}; {mend}"
        for clause, controller, what in _CONTROLLERS
        if controller not in controllers
    }
    if not table(host, "security").get("seccompEnabled"):
        reasons[Clause.SECCOMP] = "this Podman has no system call filter; its build or kernel lacks seccomp"
    return reasons
