"""The project's jobs. ``uv run nox -l`` lists them; every one runs in the environment that ``uv sync`` made."""

import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import nox

nox.needs_version = ">=2024.10.9"
nox.options.default_venv_backend = "none"
nox.options.sessions = ["tests", "lint", "types", "docs", "precommit"]
nox.options.error_on_missing_interpreters = False

REPOSITORY = Path(__file__).resolve().parent
PROGRAMS = Path(sys.executable).parent
ENGINES = (sys.executable, "tests/engines")
LINTED = ("packages", "examples", "tests", "scripts", "conftest.py", "noxfile.py")
BESIDE = (
    (
        "packages/devbench-agent/tests",
        "packages/devbench-lock-redis/tests",
        "packages/devbench-mcp/tests",
        "tests/e2e/mcp",
        "tests/e2e/python",
        "tests/property",
    ),
    (
        "packages/devbench-cli/tests",
        "tests/authors",
        "tests/chaos",
        "tests/e2e/cli",
        "tests/e2e/hosts",
        "tests/mutations",
        "tests/scale",
    ),
)
"""Tests that mostly wait, or start processes one after another; each part runs beside the rest, which leaves processors
free."""
CHAOS = ("tests/chaos/test_chaos.py", "tests/chaos/test_clock.py", "tests/chaos/on_docker.py")
CORE_COVERAGE_PERCENT = 90
WHOLE_COVERAGE_PERCENT = 85
CLEAN_UP_TIMEOUT_S = 120.0


def program(name: str) -> str:
    """Return a program of the environment that nox itself runs in."""
    return str(PROGRAMS / name)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and format of the Python sources (the C sources' warnings are errors when they are built)."""
    session.run(program("ruff"), "check", *LINTED)
    session.run(program("ruff"), "format", "--check", *LINTED)


@nox.session
def types(session: nox.Session) -> None:
    """Check types strictly, in all packages, examples and tests."""
    session.run(program("pyright"), *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """Run every test on real engines: install and start what is absent, and leave nothing running.

    With arguments (``nox -s tests -- packages/devbench-core -k spool``) pytest gets them, and coverage is not asked.
    """
    if session.posargs:
        _with_engines(session, program("pytest"), *session.posargs)
        return
    folder = Path(tempfile.mkdtemp(prefix="devbench-coverage-", dir="/var/tmp"))
    folder.chmod(0o1777)  # some tests run parts of themselves as another user, and are measured too
    data = {"COVERAGE_FILE": str(folder / "data")}
    try:
        pytest = (program("coverage"), "run", "-m", "pytest", "--durations=15")
        rest = (*pytest, *_all_but([folder for part in BESIDE for folder in part]))
        others = [word for part in BESIDE for word in ("--beside--", *pytest, *part)]
        _with_engines(session, sys.executable, "tests/side_by_side.py", *rest, *others, env=data)
        session.run(program("coverage"), "combine", "--quiet", env=data)
        _report_coverage(session, data)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _all_but(left_out: Sequence[str]) -> list[str]:
    """Return pytest's arguments for everything else: it ignores no folder that is a test path itself."""
    packages = [str(path.relative_to(REPOSITORY)) for path in sorted(REPOSITORY.glob("packages/*/tests"))]
    paths = [path for path in (*packages, "tests") if path not in left_out]
    return [*paths, *(f"--ignore={folder}" for folder in left_out)]


def _report_coverage(session: nox.Session, data: dict[str, str]) -> None:
    report = (program("coverage"), "report", "--skip-covered", "--skip-empty")
    core = "--include=packages/devbench-core/src/*"
    session.log(f"coverage of core, at least {CORE_COVERAGE_PERCENT} %")
    session.run(*report, core, f"--fail-under={CORE_COVERAGE_PERCENT}", env=data)
    session.log(f"coverage of the whole Python, at least {WHOLE_COVERAGE_PERCENT} %")
    session.run(*report, f"--fail-under={WHOLE_COVERAGE_PERCENT}", env=data)


@nox.session
def podman(session: nox.Session) -> None:
    """Run every shared test on Podman, of which ``tests`` runs the most telling; arguments go to pytest."""
    shared = ("packages/devbench-runtime-podman/tests", "tests/contract", "tests/e2e")
    pytest = (program("pytest"), "--no-cov", *shared, "-k", "podman", *session.posargs)
    _with_engines(session, *pytest, env={"DEVBENCH_TEST_PODMAN": "all"})


@nox.session
def cgroup2(session: nox.Session) -> None:
    """Test limits on a kernel whose control groups are version 2 only, booted in a virtual machine.

    The arguments (``nox -s cgroup2 -- -k memory``) go to pytest.
    """
    session.run(
        sys.executable,
        "tests/cgroup2",
        *session.posargs,
        interrupt_timeout=CLEAN_UP_TIMEOUT_S,
        terminate_timeout=CLEAN_UP_TIMEOUT_S,
    )


@nox.session
def chaos(session: nox.Session) -> None:
    """Do with three hosts under load what ``tests`` does briefly: five hundred operations for each fault.

    And on a Docker engine of its own, which is too slow for ``tests``.
    """
    length = {
        "DEVBENCH_TEST_CHAOS_OPERATIONS": os.environ.get("DEVBENCH_TEST_CHAOS_OPERATIONS", "500"),
        "DEVBENCH_TEST_CHAOS_AT_LENGTH": "1",
    }
    pytest = (program("pytest"), "--no-cov", *CHAOS)
    _with_engines(session, *pytest, *session.posargs, env=length)


@nox.session
def bench(session: nox.Session) -> None:
    """Measure devbench against the raw engines, and write the table into the documentation."""
    _with_engines(session, sys.executable, "-m", "performance", *session.posargs, env={"PYTHONPATH": "tests"})


@nox.session
def composed(session: nox.Session) -> None:
    """Run `deploy/compose.yml` in real containers: three hosts, PostgreSQL, Redis and the proxy."""
    _with_engines(session, sys.executable, "-m", "composed", env={"PYTHONPATH": "tests"})


@nox.session
def scale(session: nox.Session) -> None:
    """Measure a host with 10, 30 and 100 containers at once, and write the table into the documentation."""
    _with_engines(session, sys.executable, "-m", "scale", env={"PYTHONPATH": "tests"})


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation, strictly, and the draft of the next release's changes."""
    session.run(program("mkdocs"), "build", "--strict", "--site-dir", "site", *session.posargs)
    session.run(program("towncrier"), "build", "--draft", "--version", "next", silent=True)


@nox.session
def wheels(session: nox.Session) -> None:
    """Build every package's wheel and sdist, and compose from each plugin alone in a fresh environment."""
    _with_engines(session, sys.executable, "tests/wheels", *session.posargs)


@nox.session
def engines(session: nox.Session) -> None:
    """Install and start what tests need and keep it for development; ``-- stop`` takes it away again."""
    session.run(*ENGINES, *(session.posargs or ["up"]), interrupt_timeout=CLEAN_UP_TIMEOUT_S)


@nox.session
def precommit(session: nox.Session) -> None:
    """Run every pre-commit hook on all files."""
    session.run(program("pre-commit"), "run", "--all-files", "--show-diff-on-failure")


def _with_engines(session: nox.Session, *command: str, env: dict[str, str] | None = None) -> None:
    """Run a command while test engines are up; they are stopped however it ends."""
    session.run(
        *ENGINES,
        "run",
        "--",
        *command,
        env={**os.environ, **(env or {})},
        interrupt_timeout=CLEAN_UP_TIMEOUT_S,
        terminate_timeout=CLEAN_UP_TIMEOUT_S,
    )
