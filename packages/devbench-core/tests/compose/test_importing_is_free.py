"""Importing a plugin imports no client library."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = (
    "aiodocker",
    "aiohttp",
    "podman",
    "redis",
    "requests",
    "sqlalchemy",
    "alembic",
    "aiosqlite",
    "mcp",
    "starlette",
    "uvicorn",
    "click",
)


@pytest.mark.parametrize(
    "module",
    [
        "devbench_runtime_docker",
        "devbench_runtime_podman",
        "devbench_runtime_bubblewrap",
        "devbench_store_sql",
        "devbench_lock_redis",
        "devbench_core",
    ],
)
def test_importing_a_plugin_imports_no_client_library(module: str):
    code = f"import {module}, sys; {module}.__dict__.get('plugin'); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    loaded = set(done.stdout.split())
    assert not loaded & set(HEAVY)
