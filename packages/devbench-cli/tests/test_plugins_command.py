from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.installing import install

Devbench = Callable[..., "subprocess.CompletedProcess[str]"]


def enable(folder: Path, *names: str) -> None:
    (folder / "devbench.toml").write_text(f"plugins = {json.dumps(names)}\n")


def found(done: subprocess.CompletedProcess[str], name: str) -> dict[str, object]:
    return next(plugin for plugin in json.loads(done.stdout)["plugins"] if plugin["name"] == name)


def test_each_plugin_is_listed_with_package_version_and_what_it_provides(devbench: Devbench):
    done = devbench("plugins", "--json")
    assert done.returncode == 0, done.stderr
    docker = found(done, "docker")
    assert docker["distribution"] == "devbench-runtime-docker"
    assert docker["provides"] == ["runtime docker"]
    assert docker["entry_point"] == "devbench_runtime_docker:plugin"
    assert docker["state"] == "loaded"


def test_a_plugin_that_fails_to_import_is_named_with_its_version_and_hides_no_other(
    devbench: Devbench, tmp_path: Path
):
    seen = install(tmp_path, "broken", "import nothing_of_this_name\n")
    enable(tmp_path, "docker", "broken")
    done = devbench("plugins", "--json", env=seen)
    assert done.returncode == 78
    broken = found(done, "broken")
    assert (broken["state"], broken["version"]) == ("failed", "3.2.1")
    assert "nothing_of_this_name" in str(broken["error"])
    assert found(done, "docker")["state"] == "loaded"


def test_a_plugin_that_the_configuration_leaves_out_is_not_imported(devbench: Devbench, tmp_path: Path):
    seen = install(tmp_path, "broken", "raise SystemExit('imported')\n")
    enable(tmp_path, "sql")
    done = devbench("plugins", "--json", env=seen)
    assert done.returncode == 0, done.stderr
    assert found(done, "broken")["state"] == "not enabled"


def test_a_hook_that_raises_is_reported(devbench: Devbench, tmp_path: Path):
    source = (
        "from devbench_core.hookspecs import hookimpl\n"
        "class Plugin:\n"
        "    @hookimpl\n"
        "    def devbench_tools(self):\n"
        "        raise RuntimeError('no tools today')\n"
        "plugin = Plugin()\n"
    )
    enable(tmp_path, "moody")
    done = devbench("plugins", env=install(tmp_path, "moody", source))
    assert done.returncode == 78
    assert "moody: devbench_tools() failed: RuntimeError: no tools today" in done.stdout


def test_a_broken_configuration_does_not_hide_the_plugins(devbench: Devbench, tmp_path: Path):
    (tmp_path / "devbench.toml").write_text("nonsense = 1\n")
    done = devbench("plugins")
    assert "warning:" in done.stderr
    assert "devbench-runtime-docker" in done.stdout


def test_a_plugin_of_others_that_nobody_named_is_not_imported_and_its_line_is_told(
    devbench: Devbench, tmp_path: Path
):
    mark = tmp_path / "imported"
    seen = install(tmp_path, "foreign", f"open({str(mark)!r}, 'w').close()\nplugin = object()\n")
    done = devbench("plugins", "--json", env=seen)
    assert done.returncode == 0, done.stderr
    assert not mark.exists()
    foreign = found(done, "foreign")
    assert (foreign["state"], foreign["enabled"]) == ("not enabled", False)
    assert foreign["file"] == str(tmp_path / "foreign_plugin.py")
    line = str(foreign["enable_with"])
    assert line.startswith("plugins = [")
    (tmp_path / "devbench.toml").write_text(line + "\n")
    done = devbench("plugins", "--json", env=seen)
    assert [found(done, name)["state"] for name in ("docker", "foreign")] == ["loaded", "loaded"]
    assert mark.exists()


def test_the_doctor_tells_how_a_plugin_of_others_is_enabled(devbench: Devbench, tmp_path: Path):
    done = devbench("doctor", env=install(tmp_path, "foreign", "raise SystemExit('imported')\n"))
    assert "foreign (devbench-foreign) is installed and not enabled" in done.stdout
    assert '"foreign"]' in done.stdout


def test_the_list_tells_where_a_plugin_came_from(devbench: Devbench, tmp_path: Path):
    seen = install(tmp_path, "linked", "plugin = object()\n")
    info = tmp_path / "devbench_linked-3.2.1.dist-info"
    (info / "direct_url.json").write_text('{"url": "file:///src", "dir_info": {"editable":  true}}')
    enable(tmp_path, "linked")
    linked = found(devbench("plugins", "--json", env=seen), "linked")
    assert linked["editable"] is True
    assert linked["enabled"] is True
    assert linked["file"] == str(tmp_path / "linked_plugin.py")
    shown = devbench("plugins", env=seen).stdout
    assert "devbench-linked 3.2.1 (editable)" in shown
    assert "linked_plugin:plugin" in shown
    assert str(tmp_path / "linked_plugin.py") in shown


def test_a_plugin_whose_metadata_are_broken_is_shown_as_failed_and_hides_no_other(
    devbench: Devbench, tmp_path: Path
):
    seen = install(tmp_path, "headless", "raise SystemExit('imported')\n")
    (tmp_path / "devbench_headless-3.2.1.dist-info" / "METADATA").unlink()
    done = devbench("plugins", "--json", env=seen)
    assert done.returncode == 78
    assert found(done, "headless")["state"] == "failed"
    assert found(done, "sql")["state"] == "loaded"
    assert devbench("doctor", env=seen).returncode in {0, 1}


def test_a_plugin_for_another_version_of_the_api_is_listed_with_what_to_do_and_not_imported(
    devbench: Devbench, tmp_path: Path
):
    seen = install(tmp_path, "ahead", "raise SystemExit('imported')\n", group="devbench.v2")
    done = devbench("plugins", "--json", env=seen)
    assert done.returncode == 0, done.stderr
    ahead = found(done, "ahead")
    assert (ahead["state"], ahead["enabled"], ahead["enable_with"]) == ("incompatible", False, "")
    assert ahead["group"] == "devbench.v2"
    assert "upgrade devbench-core" in str(ahead["error"])
    assert "ahead: is made for version 2 of the plugin API" in devbench("plugins", env=seen).stdout
    doctor = devbench("doctor", env=seen).stdout
    assert "plugin 'ahead' (devbench-ahead 3.2.1) is made for version 2 of the plugin API" in doctor
    enable(tmp_path, "docker", "ahead")
    done = devbench("plugins", "--json", env=seen)
    assert done.returncode == 78
    assert found(done, "ahead")["state"] == "failed"
    refused = devbench("ps", env=seen)
    assert refused.returncode == 78
    assert "upgrade devbench-core" in refused.stderr


@pytest.mark.parametrize("program", ["devbench", "devbench-mcp"])
@pytest.mark.parametrize(("setting", "runs"), [({}, False), ({"PYDANTIC_DISABLE_PLUGINS": "0"}, True)])
def test_a_plugin_of_pydantic_that_is_merely_installed_does_not_run(
    tmp_path: Path, program: str, setting: dict[str, str], runs: bool
):
    source = f"open({str(tmp_path / 'ran')!r}, 'w').close()\nclass plugin:\n    new_schema_validator = None\n"
    seen = install(tmp_path, "eager", source, group="pydantic")
    (tmp_path / "broken.toml").write_text("[execs]\ngrace_s = 'long'\n")
    arguments = {"devbench": ["ps"], "devbench-mcp": []}[program]
    done = subprocess.run(
        [Path(sys.executable).with_name(program), "--config", tmp_path / "broken.toml", *arguments],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), **seen, **setting},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode, "the configuration is read, and its fault is found"
    assert (tmp_path / "ran").exists() == runs
