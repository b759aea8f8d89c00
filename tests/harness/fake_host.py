"""A host on fakes for the suites of hosts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from devbench_core.testing.fake import FakePlugin
from devbench_core.testing.kit import Claims, Trait


class FakeHost:
    """What such a suite is given."""

    @pytest.fixture(scope="class")
    @classmethod
    def host_plugins(cls, tmp_path_factory: pytest.TempPathFactory) -> Sequence[object]:
        return [FakePlugin(tmp_path_factory.mktemp("containers"))]

    @pytest.fixture(scope="class")
    @classmethod
    def host_config(cls, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
        folder = tmp_path_factory.mktemp("host")
        return {
            "plugins": [],
            "runtime": "fake",
            "store": "fake",
            "lock": "fake",
            "state_dir": str(folder / "state"),
            "cache_dir": str(folder / "cache"),
        }

    @pytest.fixture(scope="class")
    @classmethod
    def claims(cls) -> Claims:
        traits = frozenset({Trait.EXIT_CODES, Trait.SEEN_PROCESSES, Trait.SHELL})
        return Claims(enforces=frozenset(), images=False, traits=traits)
