"""What installers recorded is read once for each start: every short command waits for it."""

from __future__ import annotations

from collections import Counter
from importlib.metadata import PathDistribution

import pytest

from devbench_core.compose import discovery


def test_the_metadata_of_each_plugin_are_read_once_for_itself_and_once_as_the_first_of_its_name(
    monkeypatch: pytest.MonkeyPatch,
):
    real, reads = PathDistribution.read_text, Counter[str]()

    def counted(dist: PathDistribution, filename: str) -> str | None:
        reads[filename] += 1
        return real(dist, filename)

    monkeypatch.setattr(PathDistribution, "read_text", counted)
    points = discovery.scan()
    sources = discovery.installed(points)
    discovery.load(None, [], points)
    distributions = {source.distribution for source in sources}
    assert distributions
    assert reads["METADATA"] == 2 * len(distributions)
