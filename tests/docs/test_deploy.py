"""What lies in `deploy/` is what the guide says, and what the programs take."""

from __future__ import annotations

import configparser
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from devbench_core.config.load import load_settings
from devbench_core.config.settings import Settings
from engines.install import find_program

REPOSITORY = Path(__file__).parents[2]
DEPLOY = REPOSITORY / "deploy"
PROGRAMS = Path(sys.executable).parent


def directives(text: str) -> list[str]:
    """Return what a configuration of HAProxy says, but for addresses, where it finds them, and comments."""
    lines = [line.split("#")[0].strip() for line in text.splitlines()]
    skipped = ("bind ", "server ", "resolvers ", "parse-resolv-conf")
    return [line.partition(" resolvers ")[0] for line in lines if line and not line.startswith(skipped)]


def test_the_proxys_file_is_the_guides():
    guide = (REPOSITORY / "docs/guides/several-hosts.md").read_text(encoding="utf-8")
    found = re.search(r"```haproxy\n(.*?)```", guide, re.DOTALL)
    assert found is not None
    assert directives((DEPLOY / "haproxy.cfg").read_text(encoding="utf-8")) == directives(found[1])


def test_the_proxy_takes_its_file():
    program = find_program("haproxy")
    assert program is not None
    done = subprocess.run(
        [program, "-c", "-f", str(DEPLOY / "haproxy.cfg")],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def compose() -> dict[str, Any]:
    """Return the compose file."""
    return yaml.safe_load((DEPLOY / "compose.yml").read_text(encoding="utf-8"))


def test_the_configuration_of_the_hosts_is_valid_and_names_services_that_there_are():
    settings = load_settings(DEPLOY / "devbench.toml", environ={}).settings
    services = compose()["services"]
    assert settings.lifetimes.hand_over
    for plugin in ("sql", "redis"):
        host = str(settings.plugin[plugin]["url"]).rpartition("@")[2].rpartition("//")[2].partition("/")[0]
        assert host in services


def test_the_proxy_knows_every_host_of_the_compose_file():
    proxied = re.findall(
        r"^\s+server \w+ ([\w-]+):(\d+)$", (DEPLOY / "haproxy.cfg").read_text("utf-8"), re.MULTILINE
    )
    hosts = [name for name in compose()["services"] if name.startswith("host-")]
    port = str(load_settings(DEPLOY / "devbench.toml", environ={}).settings.mcp["port"])
    assert proxied == [(name, port) for name in hosts]


def test_what_the_hosts_are_started_with_is_what_the_program_takes():
    helped = subprocess.run(
        [str(PROGRAMS / "devbench-mcp"), "--help"], capture_output=True, text=True, timeout=60, check=True
    ).stdout
    unit = configparser.ConfigParser(interpolation=None)
    unit.read(DEPLOY / "systemd/devbench-mcp@.service")
    words = [*compose()["services"]["host-one"]["command"], *unit["Service"]["ExecStart"].split()]
    options = {word for word in words if word.startswith("--")}
    assert options == {"--transport", "--port", "--config"}
    assert all(option in helped for option in options)
    variables = [*compose()["services"]["host-one"]["environment"], *unit["Service"]["Environment"].split()]
    for name in (each.partition("=")[0] for each in variables):
        if name.startswith("DEVBENCH_"):
            assert name.removeprefix("DEVBENCH_").partition("__")[0].lower() in Settings.model_fields
