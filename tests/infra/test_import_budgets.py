"""How much each package imports: counted in modules, since seconds depend on the machine.

Who adds an import that breaks a budget either moves it to where it is needed or raises the number here, in review.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROBE = """
import json, sys
print()
print(json.dumps(sorted(name for name in sys.modules
    if name.partition(".")[0] not in {*sys.stdlib_module_names, "coverage", "__main__"})))
"""
BUDGETS = {
    "devbench_agent": 10,
    "devbench_core": 10,
    "devbench_core.config": 140,
    "devbench_core.bench": 270,
    "devbench_core.tools.catalogue": 290,
    "devbench_cli.main": 10,
    "devbench_cli.app": 60,
    "devbench_mcp.main": 280,
    "devbench_mcp.app": 760,
    "devbench_store_sql": 120,
    "devbench_store_sql.opening": 240,
    "devbench_runtime_bubblewrap": 120,
    "devbench_runtime_bubblewrap.opening": 170,
    "devbench_runtime_docker": 120,
    "devbench_runtime_docker.opening": 270,
}
"""Modules outside the standard library, ours among them."""
PS_BUDGET = 520
UNUSED_BY_PS = (
    "alembic",
    "cryptography",
    "devbench_core.channel.channel",
    "devbench_core.execs.service",
    "devbench_core.files.service",
    "devbench_core.images.service",
    "devbench_core.shells.service",
    "mcp",
    "structlog",
)


def modules_after(code: str, *arguments: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", code + PROBE, *arguments],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize(("module", "budget"), BUDGETS.items())
def test_importing_a_package_stays_within_its_budget(module: str, budget: int):
    loaded = modules_after(f"import {module}\n")
    assert len(loaded) <= budget, f"{module} imports {len(loaded)} modules: {loaded}"


def test_listing_containers_imports_only_what_it_needs(tmp_path: Path):
    config = tmp_path / "devbench.toml"
    config.write_text(f'runtime = "bubblewrap"\nstore = "sql"\nstate_dir = "{tmp_path}/state"\n')
    code = "import sys\nfrom devbench_cli.main import main\ntry:\n    main()\nexcept SystemExit:\n    pass\n"
    modules_after(code, "--config", str(config), "ps")  # makes the database, which takes migrations
    loaded = modules_after(code, "--config", str(config), "ps")
    assert not set(UNUSED_BY_PS) & set(loaded)
    assert len(loaded) <= PS_BUDGET, f"{len(loaded)} modules: {loaded}"
