"""A whole devbench without any engine, for tests of tools, plugins and front ends, in milliseconds.

A test opens it, lets time pass, and lets calls fail::

    async with fake_bench(tmp_path, MyPlugin()) as fake:
        fake.runtime.faults.fail("start", EngineUnreachable("gone"), times=1)
        with pytest.raises(EngineUnreachable):
            await fake.call("my_tool", name="x")
        await fake.advance(3600)

Its containers are plain processes of this machine: never run in them what you do not trust.
"""

from devbench_core.testing.fake.bench import FakeBench, fake_bench
from devbench_core.testing.fake.clock import FakeClock
from devbench_core.testing.fake.faults import Called, Fault, Faults
from devbench_core.testing.fake.lock import FakeLock
from devbench_core.testing.fake.plugin import FakePlugin
from devbench_core.testing.fake.runtime import FakeRuntime
from devbench_core.testing.fake.scanner import FakeScanner
from devbench_core.testing.fake.store import FakeStore

__all__ = [
    "Called",
    "FakeBench",
    "FakeClock",
    "FakeLock",
    "FakePlugin",
    "FakeRuntime",
    "FakeScanner",
    "FakeStore",
    "Fault",
    "Faults",
    "fake_bench",
]
