"""Turns a spawn request into a spec, or refuses it by naming the field and the limit."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta

from devbench_core.config.settings import Settings
from devbench_core.containers.policy import resolve_policy
from devbench_core.containers.requests import SpawnRequest
from devbench_core.errors import ValidationFailed
from devbench_core.idempotency import check_text
from devbench_core.ids import CONTAINER, is_id
from devbench_core.model.container import ContainerSpec

ALIAS = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
LABEL_KEY = re.compile(r"[a-zA-Z0-9]([a-zA-Z0-9._/-]{0,61}[a-zA-Z0-9])?")
LABEL_VALUE_MAX = 255
ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
LONGEST_S = timedelta(days=3650).total_seconds()
RESERVED_LABELS = "dev.devbench."


def spec_of(request: SpawnRequest, settings: Settings) -> ContainerSpec:
    """Validate a request and fill in the operator's defaults.

    Raises:
        ValidationFailed: A field is wrong; names it and its limit.
    """
    limits, lifetimes = settings.containers, settings.lifetimes
    if request.alias is not None:
        _alias(request.alias)
    _labels(request.labels, limits.labels_max)
    _env(request.env, limits.env_max_bytes)
    check_text(request.idempotency_key)
    ttl_s = _seconds("ttl_s", request.ttl_s, lifetimes.max_ttl_s)
    if ttl_s is None:
        ttl_s = lifetimes.default_ttl_s if lifetimes.default_ttl_s is not None else lifetimes.max_ttl_s
    idle_s = _seconds("idle_timeout_s", request.idle_timeout_s, None)
    return ContainerSpec(
        image=request.image,
        alias=request.alias,
        env=dict(request.env),
        labels=dict(request.labels),
        policy=resolve_policy(request.policy, settings.policy),
        persistent=request.persistent,
        ttl_s=ttl_s,
        idle_timeout_s=lifetimes.default_idle_timeout_s if idle_s is None else idle_s,
        run_entrypoint=request.run_entrypoint,
    )


def _alias(alias: str) -> None:
    if not ALIAS.fullmatch(alias):
        raise ValidationFailed(
            "alias", "must be 1-63 of a-z, 0-9, '.', '_' and '-', beginning with a letter or digit", limit=63
        )
    if is_id(alias, CONTAINER):
        raise ValidationFailed("alias", "has the form of a container id")


def _labels(labels: Mapping[str, str], most: int) -> None:
    if len(labels) > most:
        raise ValidationFailed("labels", f"has {len(labels)} labels, at most {most} are allowed", limit=most)
    for key, value in labels.items():
        if not LABEL_KEY.fullmatch(key) or key.startswith(RESERVED_LABELS):
            raise ValidationFailed("labels", f"the key {key[:80]!r} is not allowed", limit=63)
        if len(value) > LABEL_VALUE_MAX or not value.isprintable():
            raise ValidationFailed(
                "labels",
                f"the value of {key!r} must be printable and at most {LABEL_VALUE_MAX} characters",
                limit=LABEL_VALUE_MAX,
            )


def _env(env: Mapping[str, str], most_bytes: int) -> None:
    for name, value in env.items():
        if not ENV_NAME.fullmatch(name):
            raise ValidationFailed("env", f"{name[:80]!r} is not a name of a variable")
        if "\0" in value:
            raise ValidationFailed("env", f"the value of {name!r} contains NUL")
    size = sum(len(name) + len(value.encode(errors="surrogateescape")) + 2 for name, value in env.items())
    if size > most_bytes:
        raise ValidationFailed("env", f"is {size} bytes, at most {most_bytes} are allowed", limit=most_bytes)


def _seconds(field: str, value: float | None, most: float | None) -> float | None:
    if value is None:
        return None
    bound = LONGEST_S if most is None else most
    if not 0 < value <= bound:
        raise ValidationFailed(field, f"must be above 0 and at most {bound:g} seconds", limit=bound)
    return value
