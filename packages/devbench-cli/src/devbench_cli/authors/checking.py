"""Runs the conformance kit on a plugin, each provider in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import attrs
from pydantic import TypeAdapter

from devbench_cli.inventory import LOADED, PluginReport
from devbench_core.contracts.provider import Provider
from devbench_core.errors import (
    CompositionFailed,
    ConfigurationInvalid,
    PluginNotFound,
    StoreFailed,
    TimedOut,
    ValidationFailed,
)
from devbench_core.nearest import suggestion
from devbench_core.testing.check.results import End, Result, read_line

NEEDED = ("pytest", "pytest_asyncio")
_EXAMPLES = TypeAdapter(dict[str, list[dict[str, Any]]])
TOLD_LINES = 20
TIDY_S = 20.0
"""For the kit's own clean-up, when it is interrupted: its containers would stay on the engine."""


@attrs.frozen(kw_only=True)
class Target:
    """One provider of a plugin, and the contract that it is held to."""

    plugin: str
    kind: str
    provider: str
    images: tuple[str, ...] = ()


def targets_of(
    reports: Sequence[PluginReport], name: str, kinds: Sequence[str], *, images: Sequence[str] = ()
) -> list[Target]:
    """Return what of a plugin the kit has a contract for.

    Args:
        reports: Of all plugins.
        name: The plugin's.
        kinds: Those that the kit knows.
        images: From which a runtime's containers are made, none for its first; or which a scanner scans.

    Raises:
        PluginNotFound: It is not installed, or offers nothing that the kit has a contract for.
        CompositionFailed: It is installed and cannot be loaded.
    """
    report = next(
        (each for each in reversed(reports) if each.source.name == name), None
    )  # a sound one is last
    if report is None:
        names = [each.source.name for each in reports]
        hint = suggestion(name, names) or f"installed are {', '.join(names)}"
        raise PluginNotFound(f"no plugin {name!r} is installed", hint=hint)
    if report.state != LOADED:
        raise CompositionFailed([f"{report.source}: {report.error or report.state}"])
    found = [
        Target(plugin=name, kind=kind, provider=offer.name, images=tuple(images))
        for kind in kinds
        for offer in report.offers.get(kind, ())
        if isinstance(offer, Provider)
    ]
    if report.offers.get("tool"):
        found.append(Target(plugin=name, kind="tool", provider=name))  # all of them as one
    if not found:
        raise PluginNotFound(
            f"plugin {name!r} offers nothing that the kit has a contract for",
            hint=f"contracts: {', '.join(kinds)}; it offers: {', '.join(report.provides()) or 'nothing'}",
        )
    return found


def examples_in(file: Path | None) -> Mapping[str, Any]:
    """Return the examples of tools that a file has.

    Raises:
        ValidationFailed: It cannot be read, or is not what it should be.
    """
    if file is None:
        return {}
    try:
        return _EXAMPLES.validate_json(file.read_bytes())
    except (OSError, ValueError) as error:
        raise ValidationFailed(
            "examples", f"{file} is no JSON with a list of arguments by tool: {str(error).splitlines()[0]}"
        ) from error


def require_kit() -> None:
    """See that the kit can run here.

    Raises:
        ConfigurationInvalid: Something that it needs is not installed.
    """
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise ConfigurationInvalid(
            f"the conformance kit needs {' and '.join(missing)}",
            hint="uv add --dev 'devbench-core[testing]' (or: pip install 'devbench-core[testing]')",
        )


def check(
    target: Target,
    settings: Mapping[str, Any],
    *,
    examples: Mapping[str, Any] | None = None,
    select: str,
    timeout_s: float,
    on_result: Callable[[Result], None],
) -> list[Result]:
    """Hold a provider to its contract.

    Args:
        target: Which.
        settings: Its table of the configuration.
        examples: Of tools: valid arguments by the name of each.
        select: Only clauses with these words, "" for all.
        timeout_s: After so long it is ended, whatever it does.
        on_result: Told each result when it is known.

    Raises:
        ConfigurationInvalid: It could not be tested at all; says what was printed last.
        TimedOut: It took too long.
    """
    command = [sys.executable, "-P", "-m", "devbench_core.testing.check.run", f"--plugin={target.plugin}"]
    command += [f"--kind={target.kind}", f"--provider={target.provider}", f"--select={select}"]
    command += [f"--image={image}" for image in target.images]
    environment = {name: text for name, text in os.environ.items() if not name.startswith("PYTEST_")}
    results: list[Result] = []
    late, ended = threading.Event(), False
    with (
        tempfile.TemporaryFile() as told,
        subprocess.Popen(  # noqa: S603 - a list, of the interpreter that runs here
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=told,
            env=environment,
            start_new_session=True,
        ) as process,
    ):
        timer = threading.Timer(timeout_s, lambda: (late.set(), _end(process)))
        timer.start()
        try:
            _tell(process, {"settings": settings, "examples": examples})
            for line in process.stdout or ():
                try:
                    found = read_line(line.decode())
                except (
                    ValueError,
                    TypeError,
                    StoreFailed,
                ):  # cut off, or something of the plugin's between the results
                    _kill(process)
                    break
                ended = isinstance(found, End) and found.clauses == len(results)
                if isinstance(found, Result):
                    results.append(found)
                    on_result(found)
            code = process.wait()
        finally:
            timer.cancel()
            _end(process)
        if late.is_set():
            raise TimedOut(
                f"{target.kind} {target.provider!r}: the kit was not through after {timeout_s:g} s",
                hint=f"{len(results)} clauses were; the next one hangs, or raise --timeout",
            )
        if not ended:
            told.seek(0)
            last = told.read().decode(errors="replace").strip().splitlines()[-TOLD_LINES:]
            raise ConfigurationInvalid(
                f"{target.kind} {target.provider!r} cannot be tested: its process ended with {code} in the middle",
                hint="it printed last:\n" + "\n".join(last),
            )
    return results


def _end(process: subprocess.Popen[bytes]) -> None:
    """Let it take away what it made, and kill it if it does not."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(TIDY_S)
    _kill(process)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End it and everything that a plugin started, which may hold the pipe of the results."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _tell(process: subprocess.Popen[bytes], told: Mapping[str, Any]) -> None:
    """Give the settings, which may hold secrets, where nobody else can read them."""
    if process.stdin is None:
        raise AssertionError("it was asked for")
    with suppress(BrokenPipeError), process.stdin as pipe:  # it ended at once, and says why
        pipe.write(json.dumps(told, default=str).encode())
