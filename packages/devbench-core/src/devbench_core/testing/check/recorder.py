"""Gives the suites what is tested, and writes down how each test went."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, TextIO, cast

import attrs
import pytest

from devbench_core.testing.check.results import End, Outcome, Result
from devbench_core.testing.check.subject import Subject

REASON_MAX_CHARS = 2000


@attrs.define
class _Test:
    seconds: float = 0.0
    outcome: Outcome = Outcome.PASSED
    reason: str = ""


class Recorder:
    """A plugin of pytest.

    Args:
        subject: What is tested; the fixture of this name.
        lines: Gets a `Result` on a line for each test.
    """

    def __init__(self, subject: Subject, lines: TextIO) -> None:
        self._subject = subject
        self._lines = lines
        self._tests: dict[str, _Test] = {}
        self._written = 0

    @pytest.fixture(scope="session")
    def subject(self) -> Subject:
        """What is tested."""
        return self._subject

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Take note of each of a test's three steps; after the last one its result is written."""
        _ = call
        report = yield
        test = self._tests.setdefault(item.nodeid, _Test())
        test.seconds += report.duration
        if report.failed:
            test.outcome, test.reason = Outcome.FAILED, test.reason or _seen(report)
        elif report.skipped and test.outcome is Outcome.PASSED:
            test.outcome, test.reason = Outcome.SKIPPED, _why(report)
        if report.when == "teardown":
            self._write(cast("pytest.Function", item), self._tests.pop(item.nodeid))
        return report

    def _write(self, item: pytest.Function, test: _Test) -> None:
        # Not before pytest's plugin is there, which has the kit's assertions rewritten.
        from devbench_core.testing.kit.clauses import clause_of, name_of, sources_of

        case = item.name.partition("[")[2].rstrip("]")
        sources = sources_of(cast("Any", item).function, item.cls)
        result = Result(
            kind=self._subject.kind,
            provider=self._subject.provider.name,
            clause=clause_of(item.name) + (f" [{case}]" if case else ""),
            outcome=test.outcome,
            seconds=round(test.seconds, 3),
            reason=test.reason,
            stated_by=tuple(name_of(source) for source in sources),
        )
        self._lines.write(result.line() + "\n")
        self._written += 1

    def end(self) -> None:
        """Write down that the run came to its end."""
        self._lines.write(End(clauses=self._written).line() + "\n")


def _seen(report: pytest.TestReport) -> str:
    """Return what pytest says was seen, without the traceback."""
    lines = [line[1:].strip() for line in report.longreprtext.splitlines() if line.startswith("E ")]
    return "\n".join(lines or report.longreprtext.splitlines()[-3:])[:REASON_MAX_CHARS]


def _why(report: pytest.TestReport) -> str:
    if isinstance(report.longrepr, tuple):
        return str(report.longrepr[2]).removeprefix("Skipped: ")
    return str(report.longrepr)
