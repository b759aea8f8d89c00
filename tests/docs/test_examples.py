"""The documented commands and code run as they stand."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from devbench_core.config.load import from_values
from devbench_core.contracts.store import Append, LogEntry, Put
from devbench_core.testing.fake import fake_bench
from devbench_store_sql.opening import opened
from devbench_store_sql.settings import SqlSettings
from harness.postgres import USER, Server

DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
INSTALLS = ("uv add", "uv tool", "pip install", "uv run", "devbench-mcp", "devbench serve")
TIMEOUT_S = 100
SELECTED = "not TestLocalHost or opened_again or any_size or somebody"
"""Of the host's suite, which the fakes are tested by as a whole, a part of each kind will do."""


def blocks(page: str, language: str) -> list[str]:
    """Return the code blocks of a page in one language."""
    text = (DOCS / page).read_text(encoding="utf-8")
    return [body for kind, body in BLOCK.findall(text) if kind == language]


def environment(state: Path) -> dict[str, str]:
    """Return the variables of a user with bubblewrap and a state folder of its own."""
    return {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "DEVBENCH_RUNTIME": "bubblewrap",
        "DEVBENCH_STATE_DIR": str(state),
        "NO_COLOR": "1",
    }


@pytest.mark.parametrize(
    "page",
    ["getting-started.md", "tutorial.md", "guides/cleanup.md", "guides/tuning.md"],
)
def test_the_commands_of_a_page_run_in_order(page: str, tmp_path: Path):
    scripts = [body for body in blocks(page, "sh") if not any(word in body for word in INSTALLS)]
    assert scripts
    done = subprocess.run(
        ["bash", "-eu", "-c", "\n".join(scripts)],
        cwd=tmp_path,
        env=environment(tmp_path / "state"),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    # a page that failed in its middle leaves its container, which would outlive this test
    left = ["devbench", "kill", "lab"] if done.returncode else ["true"]
    subprocess.run(left, cwd=tmp_path, env=environment(tmp_path / "state"), timeout=TIMEOUT_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def run_guide(page: str, folder: Path, first: list[str], **more: str) -> str:
    """Run what comes first and then a guide's commands, on a store that holds something; return what they say."""
    asyncio.run(_keep_something(folder / "state"))
    done = subprocess.run(
        ["bash", "-eu", "-c", "\n".join([*first, *blocks(page, "sh")])],
        cwd=folder,
        env={**environment(folder / "state"), **more},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


KEPT = "5 records and 1 logs with 2 entries taken into store sql"
DAMAGE = "dd if=/dev/urandom of=$DEVBENCH_STATE_DIR/devbench.db bs=4096 seek=2 count=6 conv=notrunc 2>&1"


def test_the_commands_of_the_postgresql_guide_run_in_order(tmp_path: Path, postgres_server: Server):
    path = f"{postgres_server.programs}:{environment(tmp_path)['PATH']}"
    of_server = {"PGHOST": str(postgres_server.folder), "PGUSER": USER, "PATH": path}
    said = run_guide("guides/postgresql.md", tmp_path, [], **of_server)
    assert said.count(KEPT) == 3
    assert postgres_server.psql("SELECT count(*) FROM records", "restored") == "5"


def test_the_steps_of_database_recovery_bring_everything_back(tmp_path: Path, postgres_server: Server):
    path = f"{postgres_server.programs}:{environment(tmp_path)['PATH']}"
    said = run_guide(
        "guides/recovery.md",
        tmp_path,
        ["devbench db vacuum", "devbench db export backup.dump.gz", "createuser bench || true", DAMAGE],
        PGHOST=str(postgres_server.folder),
        PGUSER=USER,
        PATH=path,
    )
    assert said.count("\ndamaged\n") == 1
    assert said.count(KEPT) == 2
    assert said.count("no fault was found") == 2


def test_the_steps_of_an_upgrade_lead_there_and_back(tmp_path: Path):
    first = "DROP TABLE schema_rule; UPDATE alembic_version SET version_num = '0001'"  # as the first release left it
    older = (
        'python3 -c "import os, sqlite3; '
        "sqlite3.connect(os.environ['DEVBENCH_STATE_DIR'] + '/devbench.db').executescript(\\\""
        + first
        + '\\")"'
    )
    said = run_guide("guides/upgrading.md", tmp_path, [older])
    assert "0001 (older than" in said
    assert "schema 0001 -> " in said
    assert said.count(KEPT) == 1


async def _keep_something(state: Path) -> None:
    async with opened(SqlSettings(), state) as store:
        await store.apply(*(Put(kind="k", key=str(number), data={}) for number in range(5)))
        entries = (LogEntry(seq=1, data=b"one"), LogEntry(seq=2, data=b"two"))
        await store.apply(Append(log="log", entries=entries))


def test_the_python_of_getting_started_runs(tmp_path: Path):
    (code,) = blocks("getting-started.md", "python")
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment(tmp_path / "state"),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "b'hello\\n'" in done.stdout


@pytest.mark.parametrize("page", sorted(str(p.relative_to(DOCS)) for p in DOCS.rglob("*.md")))
def test_every_configuration_in_the_documentation_is_valid(page: str):
    for body in blocks(page, "toml"):
        values = tomllib.loads(body)
        if "project" not in values:
            from_values(values)


async def test_the_plugin_of_the_guide_adds_its_tool(tmp_path: Path):
    code = blocks("guides/plugins.md", "python")[0]
    space: dict[str, object] = {"__name__": "acme_hello"}
    exec(compile(code, "acme_hello.py", "exec"), space)  # noqa: S102 - the documentation's own code
    async with fake_bench(tmp_path, space["plugin"]) as fake:
        answer = await fake.call("hello", name="you")
        assert answer["greeting"] == f"hello you from {fake.bench.installation}"


def test_the_tests_of_the_guide_pass(pytester: pytest.Pytester):
    plugin, *tests = blocks("guides/plugins.md", "python")
    pytester.makeconftest('pytest_plugins = ["devbench_core.testing.pytest_plugin"]\n')
    pytester.makeini("[pytest]\nasyncio_mode = auto\n")
    pytester.makepyfile(acme_hello=plugin)
    pytester.makepyfile(**{f"test_guide_{number}": code for number, code in enumerate(tests)})
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-k", SELECTED)
    outcomes = result.parseoutcomes()
    outcomes.pop("warnings", None)
    # skipped is what the guide's runtime does not claim
    assert set(outcomes) == {"passed", "skipped", "deselected"}
    assert outcomes["passed"] > 50
