"""The four images that the composition names, made without a registry: Debian's packages and our own wheels."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from engines.api import DockerApi
from engines.images import PATH_VARIABLE, debian_tar
from engines.progress import say

REPOSITORY = Path(__file__).parents[2]
BASE = "devbench-test/composed:latest"
PACKAGES = ("python3", "postgresql", "redis-server", "haproxy")
OURS = ("agent", "core", "mcp", "runtime-docker", "store-sql", "lock-redis")
BUILD_TIMEOUT_S = 600
SERVES = """#!/usr/bin/python3
import sys
sys.path.insert(0, "/opt/devbench")
from devbench_mcp.__main__ import main
sys.exit(main())
"""
POSTGRES = """#!/bin/sh
# What the image of PostgreSQL does at its first start: a cluster, its owner, and a database of the owner's name.
set -e
data=/var/lib/postgresql/data
bin=$(echo /usr/lib/postgresql/*/bin)
as() { setpriv --reuid postgres --regid postgres --clear-groups "$@"; }
chown postgres: "$data"
if [ ! -e "$data/PG_VERSION" ]; then
    as "$bin/initdb" -D "$data" -U "$POSTGRES_USER" -A trust >/dev/null
    echo "host all all all trust" >>"$data/pg_hba.conf"
    echo "CREATE DATABASE $POSTGRES_USER" | as "$bin/postgres" --single -D "$data" postgres >/dev/null
fi
exec setpriv --reuid postgres --regid postgres --clear-groups "$bin/postgres" -D "$data" -c listen_addresses='*'
"""
FILES = {
    "devbench": f"FROM {BASE}\nCOPY site /opt/devbench\nCOPY devbench-mcp /usr/local/bin/\n",
    "postgres:15": f'FROM {BASE}\nCOPY serve-postgres /usr/local/bin/\nCMD ["serve-postgres"]\n',
    "redis:7": f'FROM {BASE}\nCMD ["redis-server", "--bind", "0.0.0.0", "--protected-mode", "no"]\n',
    "haproxy:2.6": f'FROM {BASE}\nCMD ["haproxy", "-W", "-db", "-f", "/usr/local/etc/haproxy/haproxy.cfg"]\n',
}


def provide(host: str) -> None:
    """Make the images on an engine."""
    tar = debian_tar("composed", PACKAGES)
    api = DockerApi(host)
    say(f"importing {BASE} ({tar.stat().st_size // 1_000_000} MB)")
    with tar.open("rb") as stream:
        api.import_image(BASE, stream, (f"ENV {PATH_VARIABLE}",), "devbench test image")
    folder = Path(tempfile.mkdtemp(prefix="devbench-composed-", dir="/var/tmp"))  # private by mkdtemp
    try:
        _install(folder, _run("docker", "--host", host, "run", "--rm", BASE, "python3", "-V").split()[-1])
        for name, text in {"devbench-mcp": SERVES, "serve-postgres": POSTGRES}.items():
            (folder / name).write_text(text, encoding="utf-8")
            (folder / name).chmod(0o755)
        for name, text in FILES.items():
            say(f"building {name}")
            (folder / "Dockerfile").write_text(text, encoding="utf-8")
            _run("docker", "--host", host, "build", "-q", "-t", name, str(folder))
    finally:
        shutil.rmtree(folder)


def _install(folder: Path, version: str) -> None:
    say(f"building our wheels, and installing them for Python {version}")
    for name in OURS:
        package = REPOSITORY / "packages" / f"devbench-{name}"
        _run("uv", "build", "-q", "--wheel", "-o", str(folder / "wheels"), str(package))
    wheels = [str(path) for path in sorted((folder / "wheels").glob("*.whl"))]
    target = str(folder / "site")
    _run("uv", "pip", "install", "-q", "--python-version", version, "--target", target, *wheels)


def _run(*argv: str) -> str:
    done = subprocess.run(
        argv,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=BUILD_TIMEOUT_S,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(argv)} ended with {done.returncode}:\n{done.stdout[-3000:]}")
    return done.stdout
