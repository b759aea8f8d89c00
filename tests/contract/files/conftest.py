"""A host's configuration for each runtime and image, for cases that the conformance kit cannot have."""

from __future__ import annotations

from typing import Any

import pytest

from contract.hosts import FILES_KINDS, config_of


@pytest.fixture(scope="module", params=FILES_KINDS)
def where_it_runs(request: pytest.FixtureRequest) -> str:
    """Which runtime and image."""
    return str(request.param)


@pytest.fixture(scope="module")
def files_config(
    where_it_runs: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """The configuration of a host on one real runtime."""
    return config_of(where_it_runs, request, tmp_path_factory)
