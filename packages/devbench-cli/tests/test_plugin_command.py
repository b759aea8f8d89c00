"""`devbench plugin check` holds an installed plugin to the contracts, outside of any repository."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

from harness.installing import install

Devbench = Callable[..., "subprocess.CompletedProcess[str]"]
STORE = """
from contextlib import asynccontextmanager
from pydantic import BaseModel
from devbench_core.contracts.provider import Provider
from devbench_core.hookspecs import hookimpl
from devbench_core.memory.store import MemoryStore

class Settings(BaseModel):
    careful: bool = False

class Loser(MemoryStore):
    async def drop(self, log):
        {fault}

@asynccontextmanager
async def opened(settings, context):
    yield MemoryStore() if settings.careful else Loser()

class Plugin:
    @hookimpl
    def devbench_stores(self):
        return [Provider(name="loser", settings=Settings, open=opened)]

plugin = Plugin()
"""
LOSES = "return None  # and keeps nothing"


def test_what_a_plugin_keeps_is_told_clause_by_clause_and_as_a_badge(devbench: Devbench, tmp_path: Path):
    name = "built-in memory"
    done = devbench("plugin", "check", name, "--report", "kit.json", "--badge", "badge.json")
    assert done.returncode == 0, done.stderr
    assert "store memory  a limit out of bounds is refused [0]" in done.stdout
    report = json.loads((tmp_path / "kit.json").read_text())
    assert (report["conforms"], report["failed"], report["plugin"], report["select"]) == (True, 0, name, "")
    assert {each["kind"] for each in report["results"]} == {"store", "lock"}
    assert all(each["stated_by"] for each in report["results"])
    badge = json.loads((tmp_path / "badge.json").read_text())
    assert badge == {
        "schemaVersion": 1,
        "label": "devbench kit",
        "message": f"{report['passed']} clauses hold",
        "color": "brightgreen",
    }


def test_a_part_of_the_contract_gives_no_badge_and_no_verdict(devbench: Devbench, tmp_path: Path):
    done = devbench("plugin", "check", "sql", "-k", "limit", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["passed"], report["conforms"], report["select"]) == (3, False, "limit")
    assert devbench("plugin", "check", "sql", "-k", "limit", "--badge", "badge.json").returncode == 2
    done = devbench("plugin", "check", "built-in memory", "-k", "lease", "--json")
    assert {each["kind"] for each in json.loads(done.stdout)["results"]} == {"lock"}
    assert "no clause has the words" in devbench("plugin", "check", "sql", "-k", "elephant").stderr


def test_results_that_cannot_be_written_are_refused_before_the_run(devbench: Devbench):
    done = devbench("plugin", "check", "sql", "--report", "absent/kit.json")
    assert done.returncode == 2
    assert "report: absent/kit.json is no file in a folder that is there" in done.stderr


def test_nothing_of_the_current_folder_is_run(devbench: Devbench, tmp_path: Path):
    (tmp_path / "argparse.py").write_text("raise SystemExit('the folder's own')")
    done = devbench("plugin", "check", "sql", "-k", "limit")
    assert done.returncode == 0, done.stderr


def test_a_broken_promise_is_named_with_what_states_it_and_what_was_seen(devbench: Devbench, tmp_path: Path):
    done = devbench("plugin", "check", "loser", env=install(tmp_path, "loser", STORE.format(fault=LOSES)))
    assert done.returncode == 1
    assert "stated by devbench_core.contracts.store.Store.drop" in done.stdout
    assert "plugin 'loser' (devbench-loser 3.2.1)" in done.stdout
    assert "assert " in done.stdout


def test_the_settings_are_the_plugins_own_table(devbench: Devbench, tmp_path: Path):
    seen = install(tmp_path, "loser", STORE.format(fault=LOSES))
    (tmp_path / "devbench.toml").write_text("[plugin.loser]\ncareful = true\n")
    done = devbench("plugin", "check", "loser", "-k", "drop", "--json", env=seen)
    assert done.returncode == 0, done.stdout
    assert json.loads(done.stdout)["failed"] == 0


def test_a_plugin_that_ends_the_process_is_reported(devbench: Devbench, tmp_path: Path):
    seen = install(tmp_path, "loser", STORE.format(fault="import os; os._exit(0)"))
    done = devbench("plugin", "check", "loser", env=seen)
    assert done.returncode == 78
    assert "store 'loser' cannot be tested: its process ended with 0 in the middle" in done.stderr


def test_what_is_no_result_ends_the_run(devbench: Devbench, tmp_path: Path):
    cut = "import os; [os.write(fd, b'{') for fd in range(3, 20) if os.path.exists(f'/proc/self/fd/{fd}')"
    cut += " and 'pipe' in os.readlink(f'/proc/self/fd/{fd}')]; os._exit(0)"
    seen = install(tmp_path, "loser", STORE.format(fault=cut))
    done = devbench("plugin", "check", "loser", env=seen)
    assert done.returncode == 78
    assert "in the middle" in done.stderr


def test_a_plugin_that_hangs_is_ended_in_time(devbench: Devbench, tmp_path: Path):
    seen = install(tmp_path, "loser", STORE.format(fault="import os, time; os.fork(); time.sleep(600)"))
    done = devbench("plugin", "check", "loser", "-k", "drop", "--timeout", "5", env=seen)
    assert done.returncode == 124
    assert "raise --timeout" in done.stderr


def test_a_plugin_that_is_not_there_or_offers_nothing_to_check_is_told_so(devbench: Devbench):
    done = devbench("plugin", "check", "sqll")
    assert done.returncode == 3
    assert "did you mean 'sql'" in done.stderr
    done = devbench("plugin", "check", "built-in lifespans")
    assert done.returncode == 3
    assert "offers nothing that the kit has a contract for" in done.stderr


def test_a_runtime_is_held_to_what_it_claims_and_the_rest_is_skipped_by_name(devbench: Devbench):
    words = "removing or one_static_file or reconciliation"
    done = devbench("plugin", "check", "bubblewrap", "--image", "host", "-k", words, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert report["failed"] == 0
    outcomes = {each["clause"]: (each["outcome"], each["reason"]) for each in report["results"]}
    assert outcomes["removing leaves no process"] == ("passed", "")
    assert outcomes["reconciliation finds nothing more to do"] == ("passed", "")
    assert outcomes["an image of one static file is enough"] == (
        "skipped",
        "no image of one static file was given (fixture bare_image)",
    )


def test_settings_are_not_shown_to_other_users_of_the_machine(devbench: Devbench, tmp_path: Path):
    fault = "open('seen', 'w').write(open('/proc/self/cmdline').read())"
    seen = install(
        tmp_path,
        "loser",
        STORE.format(fault=fault).replace("careful: bool", "secret: str = ''\n    careful: bool"),
    )
    (tmp_path / "devbench.toml").write_text('[plugin.loser]\nsecret = "hush"\n')
    done = devbench("plugin", "check", "loser", env=seen)
    words = (tmp_path / "seen").read_text().split("\0")
    assert "--plugin=loser" in words, done.stderr
    assert not any("hush" in word for word in words)


LASTING = """
import signal
from contextlib import asynccontextmanager
from pathlib import Path
from pydantic import BaseModel
from devbench_core.contracts.provider import Provider
from devbench_core.hookspecs import hookimpl
from devbench_core.memory.store import MemoryStore

class Settings(BaseModel):
    folder: str

class Waiting(MemoryStore):
    async def drop(self, log):
        import asyncio
        await asyncio.Event().wait()

@asynccontextmanager
async def opened(settings, context):
    made = Path(settings.folder) / f"made-{id(context)}"
    made.touch()
    try:
        yield Waiting()
    finally:
        made.unlink()

class Plugin:
    @hookimpl
    def devbench_stores(self):
        return [Provider(name="lasting", settings=Settings, open=opened)]

plugin = Plugin()
"""


def test_a_plugin_that_is_ended_in_the_middle_takes_away_what_it_made(devbench: Devbench, tmp_path: Path):
    seen = install(tmp_path, "lasting", LASTING)
    made = tmp_path / "made"
    made.mkdir()
    config = tmp_path / "devbench.toml"
    config.write_text(f'plugins = ["lasting"]\n[plugin.lasting]\nfolder = "{made}"\n')
    done = devbench(
        "--config", str(config), "plugin", "check", "lasting", "-k", "drop", "--timeout", "6", env=seen
    )
    assert "was not through after 6 s" in done.stderr
    assert list(made.iterdir()) == [], "the kit was interrupted, and left its fixtures before it was killed"
