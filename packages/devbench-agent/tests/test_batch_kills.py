"""The agent is killed at each named place of a batch; the next one on the same workspace makes it all or nothing."""

from __future__ import annotations

import dataclasses
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from agent_process import DEADLINE_S, StartAgent, wait_until
from agent_wire import Closed
from batch_wire import DELETE, MOVE, Op, Refused, batch
from root_lab import start_with_roots
from test_batches import AFTER, EVERYTHING, OPTIONS, picture, prepare

AGENT = Path(__file__).parent.parent / "agent"
BUILD_TIMEOUT_S = 300
FAILS_LATE = [*EVERYTHING, Op(DELETE, "made/first"), Op(DELETE, "made/first")]
COMMITS = [
    *(f"apply:{n}" for n in range(1, len(EVERYTHING) + 1)),
    *(f"half:{n}" for n in range(1, 4)),
    "committed:1",
    "before-over:1",
    "over:1",
]
UNDOES = [
    *(f"undo:{n}" for n in range(1, len(FAILS_LATE) + 1)),
    *(f"apply:{n}" for n in (1, 7, len(FAILS_LATE))),
    "before-undone:1",
    "over:1",
]


@pytest.fixture(scope="module")
def binary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The agent, built with its named places."""
    build = tmp_path_factory.mktemp("kill-points")
    made = subprocess.run(
        ["make", "-C", str(AGENT), "kill-points", f"BUILD={build}"],
        capture_output=True,
        text=True,
        timeout=BUILD_TIMEOUT_S,
        check=False,
    )
    assert made.returncode == 0, made.stderr[-4000:]
    return build / "devbench-agent-kill-points"


def killed(
    start_agent: StartAgent, monkeypatch: pytest.MonkeyPatch, way: str, point: str, ops: list[Op]
) -> Path:
    """Run a batch on an agent that dies at a place, then another agent; return the workspace."""
    monkeypatch.setenv("DEVBENCH_BATCH_KILL", point)
    agent = start_agent(*OPTIONS[way])
    prepare(agent.workspace)
    with agent.host() as host, suppress(Closed, Refused, BrokenPipeError):
        batch(host, ops)
    agent.process.wait(DEADLINE_S)
    monkeypatch.delenv("DEVBENCH_BATCH_KILL")
    second = start_agent(*OPTIONS[way], name="second")
    with second.host() as host:
        host.stat("")
    wait_until(lambda: not list(agent.workspace.glob(".dev*")), "nothing is left over")
    return agent.workspace


@pytest.mark.slow
@pytest.mark.parametrize("way", list(OPTIONS))
@pytest.mark.parametrize("point", COMMITS)
def test_a_committed_batch_is_carried_forward(
    start_agent: StartAgent, monkeypatch: pytest.MonkeyPatch, way: str, point: str
):
    assert picture(killed(start_agent, monkeypatch, way, point, EVERYTHING)) == AFTER


@pytest.mark.slow
@pytest.mark.parametrize("way", list(OPTIONS))
def test_one_that_was_not_committed_changes_nothing(
    start_agent: StartAgent, monkeypatch: pytest.MonkeyPatch, way: str, tmp_path: Path
):
    model = tmp_path / "model"
    model.mkdir()
    prepare(model)
    assert picture(killed(start_agent, monkeypatch, way, "before-commit:1", EVERYTHING)) == picture(model)


@pytest.mark.slow
@pytest.mark.parametrize("way", list(OPTIONS))
@pytest.mark.parametrize("point", UNDOES)
def test_one_that_cannot_be_carried_out_is_undone(
    start_agent: StartAgent, monkeypatch: pytest.MonkeyPatch, way: str, point: str, tmp_path: Path
):
    model = tmp_path / "model"
    model.mkdir()
    prepare(model)
    assert picture(killed(start_agent, monkeypatch, way, point, FAILS_LATE)) == picture(model)


def beneath(root: Path, op: Op) -> Op:
    """Return the same operation in another root than the workspace."""
    other = f"{root}/{op.other}" if op.kind == MOVE else op.other
    return dataclasses.replace(op, path=f"{root}/{op.path}", other=other)


@pytest.mark.slow
@pytest.mark.parametrize("way", list(OPTIONS))
@pytest.mark.parametrize(
    ("point", "ops", "done"),
    [
        ("before-commit:1", EVERYTHING, False),
        ("committed:1", EVERYTHING, True),
        ("apply:7", EVERYTHING, True),
        ("half:2", EVERYTHING, True),
        ("undo:5", FAILS_LATE, False),
    ],
)
def test_a_batch_in_another_root_is_made_all_or_nothing_too(
    start_agent: StartAgent,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    way: str,
    point: str,
    ops: list[Op],
    done: bool,
):
    first, root, model = (tmp_path / name for name in ("first", "second", "model"))
    for folder in (first, root, model):
        folder.mkdir()
    prepare(root)
    prepare(model)
    monkeypatch.setenv("DEVBENCH_BATCH_KILL", point)
    agent = start_with_roots(start_agent, way, first, root)
    with agent.host() as host, suppress(Closed, Refused, BrokenPipeError):
        batch(host, [beneath(root, op) for op in ops])
    agent.process.wait(DEADLINE_S)
    monkeypatch.delenv("DEVBENCH_BATCH_KILL")
    with start_with_roots(start_agent, way, first, root, name="after").host() as host:
        host.stat(str(root))
    wait_until(lambda: not list(root.glob(".dev*")), "nothing is left over")
    assert picture(root) == (AFTER if done else picture(model))
