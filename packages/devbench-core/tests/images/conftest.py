"""What tests of images share."""

from collections.abc import Generator

import pytest

from harness.registry import Registry, serving


@pytest.fixture
def registry() -> Generator[Registry]:
    """Serve an empty registry that engines on this machine can reach."""
    with serving() as found:
        yield found
