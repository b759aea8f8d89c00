"""Starting the program is cheap: nothing heavy is imported before a command needs it."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import version as metadata_version

import pytest

from devbench_cli import version
from devbench_cli.version import print_version

HEAVY = ["asyncio", "pydantic", "rich", "sqlalchemy", "mcp", "structlog", "devbench_core.bench", "pluggy"]


def modules_after(statement: str) -> list[str]:
    script = f"{statement}\nimport json, sys\nprint('\\n' + json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def test_the_version_is_printed_without_importing_even_the_command_line_library():
    loaded = modules_after(
        "import sys; sys.argv = ['devbench', '--version']\nfrom devbench_cli.main import main; main()"
    )
    assert not {"click", "importlib.metadata", *HEAVY} & set(loaded)


def test_the_version_is_that_of_the_distribution(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    print_version()
    monkeypatch.setattr(version, "PREFIX", "no-such-folder-")
    print_version()
    assert capsys.readouterr().out == 2 * f"devbench {metadata_version('devbench-cli')}\n"


def test_the_root_imports_no_command_and_nothing_heavy():
    loaded = modules_after("import devbench_cli.app")
    assert not {"pydantic", "sqlalchemy", "mcp", "structlog", "devbench_core.bench"} & set(loaded)
    assert not [name for name in loaded if name.startswith("devbench_cli.commands.")]


def test_importing_every_command_imports_nothing_heavy():
    loaded = modules_after(
        "from devbench_cli.lazy import ENTRIES, load\nfor item in ENTRIES.items(): load(*item)"
    )
    assert not {"pydantic", "sqlalchemy", "mcp", "structlog", "devbench_core.bench"} & set(loaded)
