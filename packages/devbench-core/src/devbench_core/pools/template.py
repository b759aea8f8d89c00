"""What a pool is made of: a spawn request's template, and the fingerprint of what the engine is asked for.

A warm container serves a request exactly when the engine would have been asked for the same, but for the id, by the
same program with the same settings of its runtime. A claim changes nothing on the engine, so nothing can be forgotten.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from importlib.metadata import version

import attrs
from pydantic import BaseModel

from devbench_core.compose.discovery import PluginSource
from devbench_core.config.settings import Settings
from devbench_core.containers.policy import enforceable
from devbench_core.containers.requests import PolicyRequest, SpawnRequest
from devbench_core.containers.validate import spec_of
from devbench_core.contracts.runtime import LABEL_CONTAINER, CreateRequest, Runtime
from devbench_core.model.container import ContainerSpec
from devbench_core.model.image import Image
from devbench_core.pools.settings import WarmPool
from devbench_core.records import to_json
from devbench_core.values import frozen


@frozen
class Target:
    """What the containers of a pool must be now.

    Attributes:
        spec: As a spawn's that asks for this and nothing else.
        image: What the name of the image means now.
        fingerprint: Of what the engine is asked for.
    """

    spec: ContainerSpec
    image: Image
    fingerprint: str


def spec_for(pool: WarmPool, settings: Settings, runtime: Runtime) -> ContainerSpec:
    """Return the spec of a spawn that a pool serves.

    Raises:
        ValidationFailed: The operator's own bounds refuse it.
        NotEnforced: The runtime cannot enforce its policy.
    """
    wishes = {name: getattr(pool.policy, name) for name in type(pool.policy).model_fields}
    spec = spec_of(SpawnRequest(image=pool.image, policy=PolicyRequest(**wishes)), settings)
    policy = enforceable(spec.policy, runtime.capabilities, settings.policy, runtime.name)
    return attrs.evolve(spec, policy=policy)


def fingerprint_of(request: CreateRequest, maker: str) -> str:
    """Return what two requests have in common exactly when their containers differ in nothing but the id.

    Places and sizes on this machine are left out: the agent is known by its digest, an image by its id.
    """
    whole = {
        "maker": maker,
        "image": to_json(attrs.evolve(request.image, size_bytes=None, created_at=None)),
        "agent": [request.agent.digest, list(request.agent.root_words)],
        "env": [list(pair) for pair in request.env.items()],
        "working_dir": str(request.working_dir),
        "policy": to_json(request.policy),
        "labels": {name: value for name, value in request.labels.items() if name != LABEL_CONTAINER},
    }
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()


def maker_of(runtime: str, settings: BaseModel | None, plugins: Sequence[PluginSource]) -> str:
    """Return what makes containers here: this version of devbench, the runtime's plugin and how it is configured."""
    versions = [f"core {version('devbench-core')}"]
    versions += [f"{source.name} {source.version}" for source in plugins if source.name == runtime]
    configured = "" if settings is None else settings.model_dump_json()
    return hashlib.sha256("\n".join([*versions, configured]).encode()).hexdigest()
