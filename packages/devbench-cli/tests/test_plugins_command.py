from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

Devbench = Callable[..., "subprocess.CompletedProcess[str]"]


def install(folder: Path, name: str, source: str) -> dict[str, str]:
    """Lay a distribution with one plugin into a folder, as an installer would; return the variable to see it."""
    (folder / f"{name}_plugin.py").write_text(source)
    info = folder / f"devbench_{name}-3.2.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: devbench-{name}\nVersion: 3.2.1\n")
    (info / "entry_points.txt").write_text(f"[devbench.v1]\n{name} = {name}_plugin:plugin\n")
    return {"PYTHONPATH": str(folder)}


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
    done = devbench("plugins", "--json", env=seen)
    assert done.returncode == 78
    broken = found(done, "broken")
    assert (broken["state"], broken["version"]) == ("failed", "3.2.1")
    assert "nothing_of_this_name" in str(broken["error"])
    assert found(done, "docker")["state"] == "loaded"


def test_a_plugin_that_the_configuration_leaves_out_is_not_imported(devbench: Devbench, tmp_path: Path):
    seen = install(tmp_path, "broken", "raise SystemExit('imported')\n")
    (tmp_path / "devbench.toml").write_text('plugins = ["sql"]\n')
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
    done = devbench("plugins", env=install(tmp_path, "moody", source))
    assert done.returncode == 78
    assert "moody: devbench_tools() failed: RuntimeError: no tools today" in done.stdout


def test_a_broken_configuration_does_not_hide_the_plugins(devbench: Devbench, tmp_path: Path):
    (tmp_path / "devbench.toml").write_text("nonsense = 1\n")
    done = devbench("plugins")
    assert "warning:" in done.stderr
    assert "devbench-runtime-docker" in done.stdout
