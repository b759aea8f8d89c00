from __future__ import annotations

import json
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path

Devbench = Callable[..., "subprocess.CompletedProcess[str]"]


def test_show_prints_a_file_that_can_be_read_back(devbench: Devbench, tmp_path: Path):
    (tmp_path / "devbench.toml").write_text('runtime = "bubblewrap"\n[lifetimes]\ndefault_ttl_s = 60\n')
    done = devbench("config", "show")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"# from {tmp_path / 'devbench.toml'}")
    values = tomllib.loads(done.stdout)
    assert values["runtime"] == "bubblewrap"
    assert values["lifetimes"]["default_ttl_s"] == 60


def test_variables_win_over_the_file(devbench: Devbench, tmp_path: Path):
    (tmp_path / "devbench.toml").write_text('runtime = "docker"\n')
    done = devbench("config", "show", "--json", env={"DEVBENCH_RUNTIME": "bubblewrap"})
    assert json.loads(done.stdout)["runtime"] == "bubblewrap"


def test_secrets_are_never_shown(devbench: Devbench, tmp_path: Path):
    (tmp_path / "devbench.toml").write_text(
        '[[images.registries]]\nregistry = "r.example"\nusername = "u"\npassword = "hunter2-registry"\n'
        '[[mcp.tokens]]\ntoken = "hunter2-token-of-a-client"\n'
    )
    for form in ([], ["--json"]):
        done = devbench("config", "show", *form)
        assert done.returncode == 0, done.stderr
        assert "hunter2" not in done.stdout + done.stderr


def test_a_table_that_no_model_knows_shows_only_its_keys(devbench: Devbench, tmp_path: Path):
    (tmp_path / "devbench.toml").write_text('[plugin.vault]\nurl = "vault://:hunter2@cache"\n')
    done = devbench("config", "show", "--json")
    assert json.loads(done.stdout)["plugin"]["vault"] == {"url": "**********"}


def test_check_says_what_would_be_used(devbench: Devbench):
    done = devbench("config", "check", "--runtime", "bubblewrap")
    assert done.returncode == 0, done.stderr
    assert "runtime bubblewrap, store sql, lock local" in done.stdout


def test_check_names_all_faults_at_once_with_the_nearest_name(devbench: Devbench, tmp_path: Path):
    (tmp_path / "devbench.toml").write_text('runtim = "docker"\n[lifetimes]\ncheck_interval_s = -1\n')
    done = devbench("config", "check")
    assert done.returncode == 78
    assert done.stderr.startswith("error[configuration_invalid]:")
    for part in ("runtim", "runtime", "check_interval_s", "hint:"):
        assert part in done.stderr


def test_check_looks_into_the_tables_of_plugins_and_of_the_host(devbench: Devbench, tmp_path: Path):
    (tmp_path / "devbench.toml").write_text("[plugin.bubblewrap]\nno_such_setting = 1\n")
    assert "no_such_setting" in devbench("config", "check", "--runtime", "bubblewrap").stderr
    (tmp_path / "devbench.toml").write_text("[mcp]\nprot = 1\n")
    assert "mcp.prot" in devbench("config", "check").stderr


def test_a_named_file_that_is_missing_is_a_configuration_error(devbench: Devbench):
    done = devbench("config", "check", "--config", "nowhere.toml")
    assert done.returncode == 78
    assert "nowhere.toml" in done.stderr


def test_the_schema_covers_core_plugins_and_host(devbench: Devbench):
    schema = json.loads(devbench("config", "schema").stdout)
    assert {"runtime", "policy", "lifetimes"} <= set(schema["properties"])
    assert {"docker", "bubblewrap", "sql"} <= set(schema["properties"]["plugin"]["properties"])
    assert "port" in schema["properties"]["mcp"]["properties"]
