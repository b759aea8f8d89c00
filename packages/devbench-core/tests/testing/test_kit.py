"""The conformance kit from an author's side: a dozen lines, and a failure that says what is promised where."""

from __future__ import annotations

import pytest

from devbench_core.contracts.store import Append, LogEntry, Store
from devbench_core.testing.kit import StoreContract
from devbench_core.testing.kit.clauses import sources_of

CONFTEST = 'pytest_plugins = ["devbench_core.testing.pytest_plugin"]\n'
STORE = """
import pytest
from devbench_core.memory import plugin
from devbench_core.testing.kit import StoreContract, open_provider

(PROVIDER,) = plugin.devbench_stores()

class TestMyStore(StoreContract):
    @pytest.fixture
    def open_store(self, tmp_path):
        return lambda: open_provider(PROVIDER, tmp_path)
"""
FORGETFUL_LOCK = """
from contextlib import asynccontextmanager
import pytest
from devbench_core.testing.kit import LockContract

class Lease:
    key, token = "k", 1
    def check(self): pass

class Forgetful:
    @asynccontextmanager
    async def hold(self, key, *, ttl_s, wait_s):
        yield Lease()

class TestForgetful(LockContract):
    @pytest.fixture
    def lock(self):
        return Forgetful()
"""


@pytest.fixture
def author(pytester: pytest.Pytester) -> pytest.Pytester:
    """A folder of a plugin's author, who has configured nothing of pytest."""
    pytester.makeconftest(CONFTEST)
    return pytester


def test_a_store_is_tested_by_a_class_and_a_fixture(author: pytest.Pytester):
    author.makepyfile(STORE)
    result = author.runpytest_subprocess("-p", "no:cacheprovider")
    outcomes = result.parseoutcomes()
    assert set(outcomes) == {"passed"}
    assert outcomes["passed"] > 40


def test_what_fails_is_told_with_its_clause_and_the_docstring_that_states_it(author: pytest.Pytester):
    author.makepyfile(FORGETFUL_LOCK)
    result = author.runpytest_subprocess("-k", "rise or lost")
    result.assert_outcomes(failed=2, deselected=18)
    result.stdout.fnmatch_lines(
        [
            "*The clause: a lease that was given back is lost.",
            "*Stated by devbench_core.contracts.lock.Lease.check:",
            "*Raise when the lease is no longer held.",
            "*assert ?1, 1, 1, 1, 1? == ?1?",
            "*The clause: tokens of a key rise.",
            "*Stated by devbench_core.contracts.lock.Lease.token:",
        ]
    )


def test_each_test_of_a_joined_contract_is_stated_by_what_states_its_own_part():
    entries = StoreContract.test_any_bytes_come_back
    records = StoreContract.test_no_changes_are_fine
    assert sources_of(entries, StoreContract) == (Append, LogEntry)
    assert sources_of(records, StoreContract) == (Store.apply,)
