"""Joins the operator's policy and the caller's wishes; nothing is loosened without the operator's word."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import cast

import attrs

from devbench_core.config.policy import PolicySettings
from devbench_core.containers.requests import PolicyRequest
from devbench_core.errors import NotEnforced, ValidationFailed
from devbench_core.model.capabilities import Capabilities
from devbench_core.model.policy import MEBIBYTE, ON_REQUEST, Clause, Network, Policy
from devbench_core.model.users import is_user, uid_of, whole

USER = re.compile(r"(0|[1-9][0-9]{0,9})(:(0|[1-9][0-9]{0,9}))?")
CAPABILITY = re.compile(r"[A-Z_]{3,40}")
LEAST = {"memory_bytes": 16 * MEBIBYTE, "cpus": 0.01, "pids": 8, "tmpfs_bytes": MEBIBYTE}


def resolve_policy(request: PolicyRequest, settings: PolicySettings) -> Policy:
    """Return the policy of one container.

    Raises:
        ValidationFailed: A wish is malformed, out of bounds, or loosens what callers may not loosen.
    """
    default = settings.default_policy()
    wishes = {
        field.name: getattr(request, field.name)
        for field in attrs.fields(PolicyRequest)
        if getattr(request, field.name) is not None
    }
    _check_form(wishes)
    _check_bounds(wishes, settings)
    wanted = attrs.evolve(default, **wishes)
    wanted = attrs.evolve(wanted, exec_users=_checked_users(wanted.exec_users, wanted.user, settings))
    lost = default.clauses() - wanted.clauses() - ON_REQUEST
    if set(wanted.capabilities) - set(default.capabilities):
        lost |= {Clause.NO_CAPABILITIES}
    forbidden = sorted(lost - set(settings.callers_may_loosen))
    if forbidden:
        raise ValidationFailed(
            f"policy.{_field(forbidden[0])}",
            f"would switch off {', '.join(forbidden)}, which the operator does not allow",
            hint=f"ask the operator to add it to policy.callers_may_loosen: {', '.join(forbidden)}",
        )
    return wanted


def enforceable(policy: Policy, capabilities: Capabilities, settings: PolicySettings, runtime: str) -> Policy:
    """Return the policy that the runtime will enforce whole, tolerated clauses taken out.

    Raises:
        NotEnforced: A clause that must hold cannot be enforced; names each with the reason.
    """
    missing = policy.clauses() - capabilities.enforces
    refused = sorted(missing - set(settings.tolerate_absent))
    if refused:
        reasons = "; ".join(f"{c}: {capabilities.reasons.get(c, 'not supported')}" for c in refused)
        raise NotEnforced(
            f"runtime {runtime!r} cannot enforce {', '.join(refused)} ({reasons})",
            hint="mend the host as said, or let the operator add them to policy.tolerate_absent",
            details={"clauses": [str(c) for c in refused]},
        )
    return attrs.evolve(policy, **{name: value for c in missing for name, value in _WITHOUT[c].items()})


_WITHOUT: dict[Clause, dict[str, object]] = {
    Clause.READ_ONLY_ROOT: {"read_only_root": False},
    Clause.NO_CAPABILITIES: {},
    Clause.NO_NEW_PRIVILEGES: {"no_new_privileges": False},
    Clause.SECCOMP: {"seccomp": False},
    Clause.MEMORY: {"memory_bytes": None},
    Clause.CPU: {"cpus": None},
    Clause.PIDS: {"pids": None},
    Clause.NETWORK_NONE: {"network": Network.ENGINE},
    Clause.NON_ROOT: {},
    Clause.TMPFS_SIZE: {},
    Clause.EXEC_USERS: {"exec_users": ()},
}


def _checked_users(users: Sequence[str], own: str, settings: PolicySettings) -> tuple[str, ...]:
    """Return the users that commands may run as besides the container's own, whole and in order.

    Of two with one uid each could end the processes of the other, so an agent of its own protects neither.
    """
    field, most = "policy.exec_users", settings.max_exec_users
    if len(users) > most:
        raise ValidationFailed(field, f"must be at most {most}", limit=most)
    for user in users:
        if not is_user(user):
            raise ValidationFailed(field, f"{user[:40]!r} must be a numeric uid or uid:gid")
    uids = [uid_of(user) for user in users]
    if len(set(uids)) < len(uids):
        raise ValidationFailed(field, "names a uid twice")
    if own and own != "root" and uid_of(own) in uids:
        raise ValidationFailed(field, f"names the uid of the container's own user, {own}")
    return tuple(whole(user) for user in users)


def _check_form(wishes: dict[str, object]) -> None:
    user = wishes.get("user")
    if isinstance(user, str) and user and not USER.fullmatch(user):
        raise ValidationFailed("policy.user", "must be a numeric uid or uid:gid")
    for name in cast("tuple[str, ...]", wishes.get("capabilities", ())):
        if not CAPABILITY.fullmatch(name):
            raise ValidationFailed("policy.capabilities", f"{name[:40]!r} is no capability (without CAP_)")


def _check_bounds(wishes: dict[str, object], settings: PolicySettings) -> None:
    most = {
        "memory_bytes": settings.max_memory_bytes,
        "cpus": settings.max_cpus,
        "pids": settings.max_pids,
        "tmpfs_bytes": settings.max_tmpfs_bytes,
    }
    for name, high in most.items():
        value = wishes.get(name)
        if not isinstance(value, int | float):
            continue
        if value < LEAST[name]:
            raise ValidationFailed(f"policy.{name}", f"must be at least {LEAST[name]}", limit=LEAST[name])
        if high is not None and value > high:
            raise ValidationFailed(f"policy.{name}", f"must be at most {high}", limit=high)


def _field(clause: Clause) -> str:
    names = {
        Clause.NO_CAPABILITIES: "capabilities",
        Clause.MEMORY: "memory_bytes",
        Clause.CPU: "cpus",
        Clause.NETWORK_NONE: "network",
        Clause.NON_ROOT: "user",
        Clause.TMPFS_SIZE: "tmpfs_bytes",
    }
    return names.get(clause, str(clause))
