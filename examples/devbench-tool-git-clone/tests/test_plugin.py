"""The plugin is found by its entry point, and composes."""

from devbench_core.compose import compose
from devbench_core.config import Settings
from devbench_core.testing import LocalPlugin


def test_it_is_found_and_offers_its_tool():
    chosen = {"plugins": ["git-clone"], "runtime": "local"}
    composition = compose(Settings.model_validate(chosen), extra=[LocalPlugin()])
    assert "git-clone" in [source.name for source in composition.plugins]
    assert "git_clone" in composition.tools
