"""Where configuration comes from, and what is said about its faults."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import pytest

from devbench_core.config.load import from_values, load_settings
from devbench_core.errors import ConfigurationInvalid


def write(folder: Path, text: str) -> Path:
    path = folder / "devbench.toml"
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def faults_of(text: str, tmp_path: Path, **environ: str) -> list[str]:
    with pytest.raises(ConfigurationInvalid) as caught:
        load_settings(write(tmp_path, text), environ=environ)
    faults = cast("list[str]", caught.value.details.get("faults", []))
    return faults or [str(caught.value)]


def test_the_file_is_searched_in_the_working_directory_then_the_user_then_the_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    environ = {"XDG_CONFIG_HOME": str(tmp_path / "user"), "XDG_CONFIG_DIRS": str(tmp_path / "system")}
    assert load_settings(environ=environ).path is None
    for folder in ("system", "user", ""):
        place = tmp_path / folder / ("devbench" if folder else "")
        path = write(place, 'runtime = "docker"\n')
        assert load_settings(environ=environ).path == path


def test_a_named_file_wins_over_the_variable_and_the_variable_over_the_search(tmp_path: Path):
    one = write(tmp_path / "one", 'runtime = "one"\n')
    two = write(tmp_path / "two", 'runtime = "two"\n')
    assert load_settings(environ={"DEVBENCH_CONFIG": str(two)}).settings.runtime == "two"
    assert load_settings(one, environ={"DEVBENCH_CONFIG": str(two)}).settings.runtime == "one"


def test_a_named_file_that_is_missing_is_an_error(tmp_path: Path):
    with pytest.raises(ConfigurationInvalid, match="DEVBENCH_CONFIG"):
        load_settings(environ={"DEVBENCH_CONFIG": str(tmp_path / "none.toml")})


def test_variables_win_over_the_file_and_nest(tmp_path: Path):
    path = write(tmp_path, 'runtime = "docker"\n[lifetimes]\ncheck_interval_s = 7\nsweep_batch = 9\n')
    environ = {
        "DEVBENCH_RUNTIME": "bubblewrap",
        "DEVBENCH_LIFETIMES__CHECK_INTERVAL_S": "3",
        "DEVBENCH_PLUGIN__DOCKER__HOST": "unix:///x.sock",
        "DEVBENCH_PLUGINS": '["docker"]',
    }
    settings = load_settings(path, environ=environ).settings
    assert settings.runtime == "bubblewrap"
    assert settings.lifetimes.check_interval_s == 3
    assert settings.lifetimes.sweep_batch == 9
    assert settings.plugin == {"docker": {"host": "unix:///x.sock"}}
    assert settings.plugins == ["docker"]


def test_overrides_win_over_variables(tmp_path: Path):
    path = write(tmp_path, 'runtime = "one"\n')
    loaded = load_settings(path, environ={"DEVBENCH_RUNTIME": "two"}, overrides={"runtime": "three"})
    assert loaded.settings.runtime == "three"


def test_an_unknown_key_is_refused_with_the_nearest_name(tmp_path: Path):
    assert faults_of('runtme = "docker"\n', tmp_path) == [
        "setting 'runtme' is unknown; did you mean 'runtime'?"
    ]
    nested = faults_of("[lifetimes]\ncheck_intervall_s = 1\n", tmp_path)
    assert nested == ["setting 'lifetimes.check_intervall_s' is unknown; did you mean 'check_interval_s'?"]


def test_an_unknown_variable_is_refused_with_the_nearest_name(tmp_path: Path):
    faults = faults_of("", tmp_path, DEVBENCH_RUNTIM="docker")
    assert faults == ["variable 'DEVBENCH_RUNTIM' is no setting; did you mean 'runtime'?"]


def test_all_faults_are_reported_together_and_no_value_is_shown(tmp_path: Path):
    text = (
        '[lifetimes]\ncheck_interval_s = "hunter2"\nsweep_batch = 0\n[startup]\nengine_silent = "hunter2"\n'
    )
    faults = faults_of(text, tmp_path)
    assert len(faults) == 3
    assert "hunter2" not in "".join(faults)


@pytest.mark.parametrize(
    "table", ["heartbeat_s = 6", "dead_after_s = 9.9", "heartbeat_s = 1\ndead_after_s = 1"]
)
def test_hosts_that_would_be_taken_for_dead_between_two_heartbeats_are_refused(table: str, tmp_path: Path):
    (fault,) = faults_of(f"[startup]\n{table}\n", tmp_path)
    assert "startup.dead_after_s must be at least 2 times startup.heartbeat_s" in fault


def test_toml_that_does_not_parse_names_the_place(tmp_path: Path):
    assert "line 1" in faults_of("runtime = \n", tmp_path)[0]


def test_settings_can_come_from_values_alone():
    assert from_values({"runtime": "docker"}).runtime == "docker"


def test_a_working_directory_that_may_not_be_searched_holds_no_file(
    tmp_path: Path, as_ordinary_user: Callable[[Sequence[str]], list[str]]
):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    code = "from devbench_core.config.load import load_settings; print(load_settings(environ={}).path)"
    command = ["sh", "-c", 'cd "$1" && shift && exec "$@"', "sh", str(closed)]
    inner = (
        as_ordinary_user([sys.executable, "-c", code]) if os.geteuid() == 0 else [sys.executable, "-c", code]
    )
    done = subprocess.run([*command, *inner], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "None\n"), done.stderr
