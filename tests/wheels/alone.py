"""Installs one package with nothing but what it declares, and uses it."""

import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

from engines.commands import answering_podman
from engines.images import provide
from engines.progress import say
from wheels.build import DIST, REPOSITORY, run, uv

RESOLUTIONS = ("highest", "lowest-direct")
INSTALL_TIMEOUT_S = 300
COMPOSE_TIMEOUT_S = 120
SCRIPT = Path(__file__).with_name("compose_alone.py")
NO_RESOLUTION_OF_ITS_OWN = frozenset({"devbench-agent"})


@dataclass(frozen=True, kw_only=True)
class Package:
    """One package of the workspace: its name and version, what it needs, what it offers."""

    name: str
    version: str
    dependencies: tuple[str, ...]
    plugins: tuple[str, ...]
    programs: tuple[str, ...]


def packages() -> dict[str, Package]:
    """Return every package that something can be composed from, by name."""
    found: dict[str, Package] = {}
    for path in sorted((REPOSITORY / "packages").glob("*/pyproject.toml")):
        project = tomllib.loads(path.read_text("utf-8"))["project"]
        if project["name"] in NO_RESOLUTION_OF_ITS_OWN:
            continue
        found[project["name"]] = Package(
            name=project["name"],
            version=project["version"],
            dependencies=tuple(project["dependencies"]),
            plugins=tuple(project.get("entry-points", {}).get("devbench.v1", {})),
            programs=tuple(project.get("scripts", {})),
        )
    return found


def our_names() -> list[str]:
    """Return the names of all packages of the workspace."""
    return sorted(path.parent.name for path in (REPOSITORY / "packages").glob("*/pyproject.toml"))


def prove(package: Package, resolution: str) -> None:
    """Install core and this package into a fresh environment, and compose from it."""
    say(f"{package.name} alone, {resolution}")
    with tempfile.TemporaryDirectory(prefix="devbench-alone-") as folder:
        environment = Path(folder) / "env"
        run([uv(), "venv", "--quiet", str(environment)], timeout_s=INSTALL_TIMEOUT_S)
        python = str(environment / "bin" / "python")
        wanted = [f"{package.name}=={package.version}", "devbench-core", *package.dependencies]
        install = [uv(), "pip", "install", "--quiet", "--python", python, "--find-links", str(DIST)]
        install += [f"--refresh-package={name}" for name in our_names()]  # same version, other contents
        run([*install, "--resolution", resolution, *wanted], timeout_s=INSTALL_TIMEOUT_S)
        run([uv(), "pip", "check", "--quiet", "--python", python], timeout_s=INSTALL_TIMEOUT_S)
        for program in package.programs:
            run([str(environment / "bin" / program), "--help"], timeout_s=COMPOSE_TIMEOUT_S, cwd=Path(folder))
        state = {"DEVBENCH_STATE_DIR": f"{folder}/state", "DEVBENCH_CACHE_DIR": f"{folder}/cache"}
        if "podman" in package.plugins and (service := answering_podman()):
            provide(service)
            state["CONTAINER_HOST"] = service
        argv = [python, "-I", str(SCRIPT), *package.plugins]
        run(argv, timeout_s=COMPOSE_TIMEOUT_S, env=state, cwd=Path(folder))
