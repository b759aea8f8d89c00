"""``python -m mutations.run KIND``: runs the kit on faulty implementations, one after the other.

They are named on stdin, as JSON: faults, each with the clauses to try it with; none for all of the suite.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from devbench_core.contracts.provider import OpenContext, Provider
from devbench_core.testing.check.recorder import Recorder
from devbench_core.testing.check.subject import Subject
from devbench_core.testing.pytest_plugin import DEADLINE
from mutations.kinds import IN_DETAIL, SOUND
from mutations.orphans import become_reaper, end_children


class NoSettings(BaseModel):
    """Nothing can be set."""


def subject_of(kind: str, sentence: str) -> Subject:
    """Return the faulty implementation as a plugin offers one, named by its fault."""
    detail = IN_DETAIL[kind]
    make = _fault(kind, sentence)
    kept: list[Any] = []

    @asynccontextmanager
    async def opened(_settings: NoSettings, context: OpenContext) -> AsyncGenerator[Any]:
        if kind == "runtime":
            yield make(_folder(context.state_dir / "local"))
            return
        if not kept or not detail.lasts:
            kept.append(make())
        yield kept[-1]

    provider = Provider(name=sentence, settings=NoSettings, open=opened)
    return Subject(kind=kind, provider=provider, settings={})


def _seeded(kind: str, sentence: str) -> AbstractContextManager[None]:
    detail = IN_DETAIL[kind]
    return nullcontext() if detail.seeded is None else detail.seeded(_fault(kind, sentence))


def _fault(kind: str, sentence: str) -> Callable[..., Any]:
    detail = IN_DETAIL[kind]
    return detail.sound if sentence == SOUND else detail.faults[sentence]


def _folder(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path


class Only:
    """A plugin of pytest that leaves out every other clause."""

    def __init__(self, clauses: Sequence[str]) -> None:
        self._clauses = clauses

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Keep what is wanted."""
        # Not before pytest's plugin is there, which has the kit's assertions rewritten.
        from devbench_core.testing.kit.clauses import clause_of

        items[:] = [item for item in items if clause_of(item.name) in self._clauses]


def main(kind: str) -> None:
    """Run the suite on each; the results go to stdout, a line each.

    A faulty runtime leaves processes behind: they become children of this one, and go with it.
    """
    become_reaper()
    try:
        _run(kind, json.load(sys.stdin))
    finally:
        end_children()


def _run(kind: str, sentences: Mapping[str, Sequence[str]]) -> None:
    lines = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    detail = IN_DETAIL[kind]
    arguments = [str(detail.suite), "-q", "--tb=line", "--noconftest", f"--maxfail={detail.enough}"]
    arguments += ["-c", os.devnull, f"--rootdir={detail.suite.parent}"]
    arguments += ["-p", "no:cacheprovider", "-p", "devbench_core.testing.pytest_plugin"]
    for sentence, clauses in sentences.items():
        plugins: list[object] = [Recorder(subject_of(kind, sentence), lines)]
        deadline = [] if sentence == SOUND else ["-o", f"{DEADLINE}={detail.deadline_s}"]
        if clauses:
            plugins.append(Only(clauses))
        with _seeded(kind, sentence):
            pytest.main([*arguments, *deadline], plugins=plugins)


if __name__ == "__main__":
    main(*sys.argv[1:])
