"""How much each package imports: counted in modules, since seconds depend on the machine.

Who adds an import that breaks a budget either moves it to where it is needed or raises the number here, in review.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from harness.greeting import INITIALIZE
from harness.postgres import Server

PROBE = """
import json, sys
print()
print(json.dumps(sorted(name for name in sys.modules
    if name.partition(".")[0] not in {*sys.stdlib_module_names, "coverage", "$coverage", "__main__", "__mp_main__"})))
"""
BUDGETS = {
    "devbench_agent": 10,
    "devbench_core": 10,
    "devbench_core.config": 110,
    "devbench_core.bench": 170,
    "devbench_core.tools.catalogue": 115,
    "devbench_cli.main": 10,
    "devbench_cli.app": 40,
    "devbench_mcp.main": 115,
    "devbench_mcp.app": 500,
    "devbench_store_sql": 110,
    "devbench_store_sql.opening": 135,
    "devbench_store_sql.postgres.lock.opening": 165,
    "devbench_lock_redis": 110,
    "devbench_lock_redis.opening": 210,
    "devbench_runtime_bubblewrap": 110,
    "devbench_runtime_bubblewrap.opening": 145,
    "devbench_runtime_docker": 110,
    "devbench_runtime_docker.opening": 265,
    "devbench_runtime_podman": 110,
    "devbench_runtime_podman.opening": 375,
}
"""Modules outside the standard library, ours among them."""
VERSION_BUDGET = 5
PS_BUDGET = 290
PS_OF_A_CONTAINER_BUDGET = 320
PS_ON_POSTGRESQL_BUDGET = 370
INITIALIZE_BUDGET = 700
UNUSED_BY_PS = (
    "alembic",
    "cryptography",
    "devbench_core.channel.channel",
    "devbench_core.containers.spawn",
    "devbench_core.contracts.store_powers",
    "devbench_core.execs.service",
    "devbench_core.files.service",
    "devbench_core.images.service",
    "devbench_core.leading.leader",
    "devbench_core.leases",
    "devbench_core.memory.store",
    "devbench_core.model.execution",
    "devbench_core.model.file",
    "devbench_core.shells.service",
    "devbench_core.tools.containers",
    "devbench_core.tools.execs",
    "devbench_core.tools.files",
    "mcp",
    "prometheus_client",
    "pydantic_settings",
    "redis",
    "sqlalchemy",
    "structlog",
    "tarfile",
)
UNUSED_BY_INITIALIZE = (
    "aiodocker",
    "alembic",
    "devbench_cli",
    "devbench_core.channel.channel",
    "devbench_core.files.service",
    "podman",
    "redis",
    "sqlalchemy",
)
RUN = """
import sys
from {module} import main
try:
    main()
except SystemExit as end:
    assert not end.code
"""


def modules_after(code: str, *arguments: str, given: str = "") -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", code + PROBE, *arguments],
        check=True,
        input=given,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize(("module", "budget"), BUDGETS.items())
def test_importing_a_package_stays_within_its_budget(module: str, budget: int):
    loaded = modules_after(f"import {module}\n")
    assert len(loaded) <= budget, f"{module} imports {len(loaded)} modules: {loaded}"


@pytest.fixture
def config(tmp_path: Path) -> str:
    """Return a configuration's path; its database is there, since making it takes the migrations."""
    path = tmp_path / "devbench.toml"
    path.write_text(f'runtime = "bubblewrap"\nstore = "sql"\nstate_dir = "{tmp_path}/state"\n')
    modules_after(RUN.format(module="devbench_cli.main"), "--config", str(path), "ps")
    return str(path)


def test_the_version_is_told_by_nearly_nothing():
    loaded = modules_after(RUN.format(module="devbench_cli.main"), "--version")
    assert len(loaded) <= VERSION_BUDGET, f"{len(loaded)} modules: {loaded}"


def test_listing_containers_imports_only_what_it_needs(config: str):
    loaded = modules_after(RUN.format(module="devbench_cli.main"), "--config", config, "ps")
    assert not set(UNUSED_BY_PS) & set(loaded)
    assert len(loaded) <= PS_BUDGET, f"{len(loaded)} modules: {loaded}"


def test_listing_a_container_imports_little_more(config: str):
    devbench = Path(sys.executable).with_name("devbench")
    subprocess.run([devbench, "--config", config, "spawn", "--alias", "one"], check=True, timeout=60)
    try:
        loaded = modules_after(RUN.format(module="devbench_cli.main"), "--config", config, "ps")
    finally:
        subprocess.run([devbench, "--config", config, "kill", "one"], check=True, timeout=60)
    assert not set(UNUSED_BY_PS) & set(loaded)
    assert len(loaded) <= PS_OF_A_CONTAINER_BUDGET, f"{len(loaded)} modules: {loaded}"


def test_listing_containers_of_a_state_on_postgresql_imports_no_more(tmp_path: Path, postgres_server: Server):
    path = tmp_path / "devbench.toml"
    state = f'state_dir = "{tmp_path}/state"\n[plugin.sql]\nurl = "{postgres_server.database()}"\n'
    path.write_text(f'runtime = "bubblewrap"\nstore = "sql"\n{state}')
    ps = ("--config", str(path), "ps")
    modules_after(RUN.format(module="devbench_cli.main"), *ps)
    loaded = modules_after(RUN.format(module="devbench_cli.main"), *ps)
    assert not set(UNUSED_BY_PS) & set(loaded)
    assert len(loaded) <= PS_ON_POSTGRESQL_BUDGET, f"{len(loaded)} modules: {loaded}"


def test_an_mcp_host_imports_only_what_it_needs_to_greet_its_client(config: str):
    greeting = json.dumps(INITIALIZE) + "\n"
    loaded = modules_after(
        RUN.format(module="devbench_mcp.main"), "--config", config, "--transport", "stdio", given=greeting
    )
    assert not set(UNUSED_BY_INITIALIZE) & set(loaded)
    assert len(loaded) <= INITIALIZE_BUDGET, f"{len(loaded)} modules: {loaded}"
