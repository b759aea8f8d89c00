"""The kit's pytest plugin: name it in a conftest as ``pytest_plugins = ["devbench_core.testing.pytest_plugin"]``."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, cast

import pytest

pytest.register_assert_rewrite("devbench_core.testing.kit")  # so before anything of it is imported


DEADLINE = "devbench_kit_deadline_s"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Offer the kit's settings."""
    parser.addini(DEADLINE, "seconds that one clause of a contract may take (60)")


def pytest_configure(config: pytest.Config) -> None:
    """Take the kit's settings."""
    from devbench_core.testing.kit import deadline

    deadline.limit(float(config.getini(DEADLINE) or deadline.DEADLINE_S))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the clause, and what states it, to the report of a test of a contract that failed."""
    from devbench_core.testing.kit.clauses import explanation, sources_of

    report = yield
    if report.failed and isinstance(item, pytest.Function):
        sources = sources_of(cast("Any", item).function, item.cls)
        if sources:
            report.sections.append(("the contract", explanation(item.name, sources)))
    return report
