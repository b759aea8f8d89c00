"""The conformance kit: the tests of every contract, for authors of plugins.

A plugin's tests take a contract's class and say how to get what is tested::

    # conftest.py
    pytest_plugins = ["devbench_core.testing.pytest_plugin"]

    # test_contract.py
    from devbench_core.testing.kit import StoreContract, open_provider

    class TestMyStore(StoreContract):
        @pytest.fixture
        def open_store(self, tmp_path):
            return lambda: open_provider(MyProvider(), tmp_path)

What fails is told with the clause of the contract in words and the docstring that states it.
"""

from __future__ import annotations

from devbench_core.testing.kit.locks import LockContract
from devbench_core.testing.kit.providers import open_provider
from devbench_core.testing.kit.store_logs import StoreLogsContract
from devbench_core.testing.kit.store_records import StoreRecordsContract


class StoreContract(StoreRecordsContract, StoreLogsContract):
    """Everything that a state store promises. Needs the fixture ``open_store``."""


__all__ = ["LockContract", "StoreContract", "StoreLogsContract", "StoreRecordsContract", "open_provider"]
