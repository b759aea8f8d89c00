"""Where the service is looked for: as Podman's own tools look for it, and only at Unix sockets."""

import json
import os
from pathlib import Path

import pytest

from devbench_core.errors import ConfigurationInvalid
from devbench_runtime_podman.endpoint import SYSTEM_SOCKET, Endpoint, find_endpoint


def find(
    tmp_path: Path, *, host: str | None = None, connection: str | None = None, **environ: str
) -> Endpoint:
    return find_endpoint(host, connection, environ, tmp_path / "home", (tmp_path / "etc.conf",))


def write_connections(tmp_path: Path, default: str, **addresses: str) -> None:
    folder = tmp_path / "home" / ".config" / "containers"
    folder.mkdir(parents=True, exist_ok=True)
    found = {"Default": default, "Connections": {name: {"URI": uri} for name, uri in addresses.items()}}
    (folder / "podman-connections.json").write_text(json.dumps({"Connection": found}), "utf-8")


def test_the_setting_comes_first_and_says_so(tmp_path: Path):
    found = find(tmp_path, host="unix:///a/b.sock", CONTAINER_HOST="unix:///c.sock")
    assert (found.socket, found.address) == ("/a/b.sock", "unix:///a/b.sock")
    assert found.source == "plugin.podman.host"


def test_the_variable_comes_before_the_default_connection(tmp_path: Path):
    write_connections(tmp_path, "mine", mine="unix:///mine.sock")
    assert find(tmp_path, CONTAINER_HOST="unix:///c.sock").socket == "/c.sock"
    assert find(tmp_path).socket == "/mine.sock"


def test_a_connection_is_found_by_its_name_in_the_setting_and_in_the_variable(tmp_path: Path):
    write_connections(tmp_path, "mine", mine="unix:///mine.sock", other="unix:///other.sock")
    assert find(tmp_path, connection="other").socket == "/other.sock"
    assert find(tmp_path, CONTAINER_CONNECTION="other").socket == "/other.sock"
    with pytest.raises(ConfigurationInvalid, match="'absent', which does not exist"):
        find(tmp_path, connection="absent")


def test_older_configurations_hold_connections_too_and_the_newer_file_wins(tmp_path: Path):
    old = '[engine]\nactive_service = "a"\n[engine.service_destinations.a]\nuri = "unix:///old.sock"\n'
    (tmp_path / "etc.conf").write_text(old, "utf-8")
    assert find(tmp_path).socket == "/old.sock"
    write_connections(tmp_path, "a", a="unix:///new.sock")
    assert find(tmp_path).socket == "/new.sock"


def test_a_configuration_of_its_own_is_read_instead_of_the_machines(tmp_path: Path):
    (tmp_path / "etc.conf").write_text('[engine]\nactive_service = "a"\n', "utf-8")
    own = tmp_path / "own.conf"
    own.write_text('[engine]\nruntime = "runc"\n', "utf-8")
    assert find(tmp_path, CONTAINERS_CONF=str(own)).source == "the usual sockets"


def test_the_users_own_socket_or_the_systems(tmp_path: Path):
    own = tmp_path / "podman" / "podman.sock"
    own.parent.mkdir()
    own.touch()
    found = find(tmp_path, XDG_RUNTIME_DIR=str(tmp_path))
    assert found.source == "the usual sockets"
    assert found.socket == (str(own) if os.geteuid() or not Path(SYSTEM_SOCKET).exists() else SYSTEM_SOCKET)


@pytest.mark.parametrize(
    ("address", "hint"),
    [
        ("ssh://core@host:22/run/podman/podman.sock", "ssh -L"),
        ("tcp://host:8080", "asks for no credentials"),
        ("http://host:8080", "asks for no credentials"),
        ("unix://", "unix:///run/podman"),
        ("podman.sock", "unix:///run/podman"),
    ],
)
def test_what_is_no_unix_socket_is_refused_with_what_to_do(tmp_path: Path, address: str, hint: str):
    with pytest.raises(ConfigurationInvalid, match="is no address of a Podman socket") as refused:
        find(tmp_path, host=address)
    assert hint in refused.value.hint
    with pytest.raises(ConfigurationInvalid, match="CONTAINER_HOST"):
        find(tmp_path, CONTAINER_HOST=address)


def test_a_damaged_configuration_is_named(tmp_path: Path):
    (tmp_path / "etc.conf").write_text("[engine\n", "utf-8")
    with pytest.raises(ConfigurationInvalid, match=r"etc\.conf cannot be read") as refused:
        find(tmp_path)
    assert "plugin.podman.host" in refused.value.hint
