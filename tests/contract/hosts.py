"""Our runtimes as hosts have them, and what is claimed of each; a kind is a runtime and which of the test images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from devbench_core.contracts.powers import SupportsPause, SupportsPull, SupportsStats, SupportsUsers
from devbench_core.model.policy import Clause
from devbench_core.testing.kit import Claims, Trait
from harness.control_groups import limits_expected

HOST_KINDS = ("bubblewrap", "docker-busybox", "podman-busybox")
FILES_KINDS = ("bubblewrap", "docker-debian", "docker-busybox", "docker-empty", "podman-busybox")
"""Nothing of the image is used by files, so one with nothing in it will do, too."""
LIMITS = frozenset({Clause.MEMORY, Clause.CPU, Clause.PIDS})


class OnOurRuntimes:
    """What each suite of hosts is given, once for each ``kind``, a fixture of the suite."""

    @pytest.fixture(scope="class")
    @classmethod
    def host_config(
        cls, kind: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
    ) -> dict[str, Any]:
        return config_of(kind, request, tmp_path_factory)

    @pytest.fixture(scope="class")
    @classmethod
    def claims(cls, kind: str) -> Claims:
        return claims_of(kind)


def config_of(kind: str, request: pytest.FixtureRequest, factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return the configuration of a host with a state folder of its own."""
    runtime, _, image_name = kind.partition("-")
    folder = factory.mktemp("host")
    values: dict[str, Any] = {
        "runtime": runtime,
        "store": "sql",
        "state_dir": str(folder / "state"),
        "cache_dir": str(folder / "cache"),
        "images": {"default": "host"},
    }
    if image_name:
        host: str = request.getfixturevalue(f"{runtime}_host")
        image: Callable[[str], str] = request.getfixturevalue(f"{runtime}_image")
        values["plugin"] = {runtime: {"host": host}}
        values["images"] = {"default": image(image_name), "pull_policy": "never"}
    return values


def claims_of(kind: str) -> Claims:
    """Return what a runtime and one of its images are claimed to have."""
    if kind == "bubblewrap":
        limits = LIMITS if limits_expected() else frozenset[Clause]()
        enforces = frozenset(Clause) - {Clause.EXEC_USERS} - LIMITS | limits
        return Claims(enforces=enforces, images=False, powers=frozenset({SupportsStats}))
    powers = frozenset({SupportsPause, SupportsPull, SupportsStats, SupportsUsers})
    traits = frozenset(Trait) - ({Trait.SHELL} if kind.endswith("-empty") else set[Trait]())
    return Claims(enforces=frozenset(Clause), images=True, powers=powers, traits=traits)
