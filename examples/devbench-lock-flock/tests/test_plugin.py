"""The plugin is found by its entry point, and composes."""

from devbench_core.compose import compose
from devbench_core.config import Settings
from devbench_core.testing import LocalPlugin


def test_it_is_found_and_chosen_by_its_name():
    chosen = {"plugins": ["flock"], "runtime": "local", "lock": "flock"}
    composition = compose(Settings.model_validate(chosen), extra=[LocalPlugin()])
    assert "flock" in [source.name for source in composition.plugins]
    assert composition.lock.provider.name == "flock"
