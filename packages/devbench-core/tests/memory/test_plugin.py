"""What the built-in plugin offers."""

from pathlib import Path

from devbench_core.clock import SystemClock
from devbench_core.contracts.provider import OpenContext
from devbench_core.contracts.store import Put
from devbench_core.memory import plugin


async def test_each_opening_of_the_memory_store_is_empty(tmp_path: Path):
    (provider,) = plugin.devbench_stores()
    context = OpenContext(installation="", state_dir=tmp_path, cache_dir=tmp_path, clock=SystemClock())
    for _ in range(2):
        async with provider.open(provider.settings(), context) as store:
            assert await store.get("k", "a") is None
            await store.apply(Put(kind="k", key="a", data={}))


async def test_both_providers_say_that_they_work(tmp_path: Path):
    context = OpenContext(installation="", state_dir=tmp_path, cache_dir=tmp_path, clock=SystemClock())
    for provider in (*plugin.devbench_stores(), *plugin.devbench_locks()):
        assert provider.diagnose is not None
        assert (await provider.diagnose(provider.settings(), context)).ok
