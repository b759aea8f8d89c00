"""Which engine is talked to: settings, variables, contexts, sockets, in Docker's own order."""

import contextlib
import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devbench_core.errors import ConfigurationInvalid
from devbench_runtime_docker.endpoint import find_endpoint
from devbench_runtime_docker.settings import DockerSettings


def make_context(home: Path, name: str, endpoint: dict[str, object], *, tls: bool = False) -> None:
    key = hashlib.sha256(name.encode()).hexdigest()
    folder = home / ".docker" / "contexts" / "meta" / key
    folder.mkdir(parents=True)
    (folder / "meta.json").write_text(json.dumps({"Name": name, "Endpoints": {"docker": endpoint}}), "utf-8")
    if tls:
        files = home / ".docker" / "contexts" / "tls" / key / "docker"
        files.mkdir(parents=True)
        for each in ("ca", "cert", "key"):
            (files / f"{each}.pem").touch()


def make_config(home: Path, text: str) -> None:
    (home / ".docker").mkdir(exist_ok=True)
    (home / ".docker" / "config.json").write_text(text, "utf-8")


def test_the_setting_wins_over_everything(tmp_path: Path):
    make_context(tmp_path, "far", {"Host": "tcp://far:2376"})
    settings = DockerSettings(host="unix:///a/docker.sock", context="far")
    found = find_endpoint(settings, {"DOCKER_HOST": "tcp://b:1", "DOCKER_CONTEXT": "far"}, tmp_path)
    assert (found.socket, found.address) == ("/a/docker.sock", "unix:///a/docker.sock")
    assert "plugin.docker.host" in found.source


def test_the_variable_for_the_host_wins_over_contexts(tmp_path: Path):
    environ = {"DOCKER_HOST": "tcp://b:1234", "DOCKER_CONTEXT": "absent"}
    found = find_endpoint(DockerSettings(), environ, tmp_path)
    assert (found.host, found.port, found.tls, found.source) == ("b", 1234, None, "DOCKER_HOST")


def test_a_context_is_taken_from_setting_variable_or_the_clients_configuration(tmp_path: Path):
    for name in ("one", "two", "three"):
        make_context(tmp_path, name, {"Host": f"unix:///{name}.sock"})
    make_config(tmp_path, '{"currentContext": "three"}')
    by_setting = find_endpoint(DockerSettings(context="one"), {"DOCKER_CONTEXT": "two"}, tmp_path)
    by_variable = find_endpoint(DockerSettings(), {"DOCKER_CONTEXT": "two"}, tmp_path)
    by_file = find_endpoint(DockerSettings(), {}, tmp_path)
    assert [each.socket for each in (by_setting, by_variable, by_file)] == [
        "/one.sock",
        "/two.sock",
        "/three.sock",
    ]


def test_the_clients_configuration_may_lie_elsewhere(tmp_path: Path):
    make_context(tmp_path, "x", {"Host": "unix:///x.sock"})
    environ = {"DOCKER_CONFIG": str(tmp_path / ".docker"), "DOCKER_CONTEXT": "x"}
    assert find_endpoint(DockerSettings(), environ, tmp_path / "nobody").socket == "/x.sock"


def test_a_context_brings_its_tls_files(tmp_path: Path):
    make_context(tmp_path, "far", {"Host": "tcp://far:2376", "SkipTLSVerify": False}, tls=True)
    found = find_endpoint(DockerSettings(context="far"), {}, tmp_path)
    assert found.tls is not None
    assert found.tls.verify
    assert [path.name for path in (found.tls.ca, found.tls.cert, found.tls.key) if path] == [
        "ca.pem",
        "cert.pem",
        "key.pem",
    ]


def test_a_context_may_skip_the_verification(tmp_path: Path):
    make_context(tmp_path, "far", {"Host": "tcp://far:2376", "SkipTLSVerify": True})
    found = find_endpoint(DockerSettings(context="far"), {}, tmp_path)
    assert found.tls is not None
    assert not found.tls.verify


def test_the_variables_turn_tls_on(tmp_path: Path):
    (tmp_path / "ca.pem").touch()
    environ = {"DOCKER_HOST": "tcp://b", "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(tmp_path)}
    found = find_endpoint(DockerSettings(), environ, tmp_path)
    assert found.port == 2376
    assert found.tls is not None
    assert (found.tls.ca, found.tls.cert, found.tls.verify) == (tmp_path / "ca.pem", None, True)


def test_without_anything_the_usual_sockets_are_looked_at(tmp_path: Path):
    make_config(tmp_path, '{"currentContext": "default"}')
    (tmp_path / "run").mkdir()
    found = find_endpoint(DockerSettings(), {"XDG_RUNTIME_DIR": str(tmp_path / "run")}, tmp_path)
    assert found.socket.endswith("docker.sock")
    assert found.source == "the usual sockets"


@pytest.mark.parametrize(
    "host",
    ["docker.sock", "ssh://me@far", "npipe:////./pipe/x", "tcp://", "tcp://h:port", "tcp://h:99999", "://x"],
)
def test_an_address_that_cannot_be_used_is_refused_with_its_source(host: str, tmp_path: Path):
    with pytest.raises(ConfigurationInvalid) as refused:
        find_endpoint(DockerSettings(), {"DOCKER_HOST": host}, tmp_path)
    assert "DOCKER_HOST" in refused.value.message


def test_an_absent_context_is_named(tmp_path: Path):
    with pytest.raises(ConfigurationInvalid, match="'absent', which does not exist"):
        find_endpoint(DockerSettings(context="absent"), {}, tmp_path)


@pytest.mark.parametrize("text", ["{", "[]", '{"currentContext": 3}'])
def test_a_strange_configuration_of_the_client_never_ends_in_a_traceback(text: str, tmp_path: Path):
    make_config(tmp_path, text)
    try:
        assert find_endpoint(DockerSettings(), {}, tmp_path).source == "the usual sockets"
    except ConfigurationInvalid as refused:
        assert "config.json" in refused.message  # noqa: PT017 - both outcomes are fine


@pytest.mark.parametrize("endpoint", [{}, {"Host": 7}, {"Host": "gopher://x"}])
def test_a_damaged_context_is_named(endpoint: dict[str, object], tmp_path: Path):
    make_context(tmp_path, "bad", endpoint)
    with pytest.raises(ConfigurationInvalid, match="bad"):
        find_endpoint(DockerSettings(context="bad"), {}, tmp_path)


def test_an_address_of_the_internet_protocols_sixth_version_is_understood(tmp_path: Path):
    found = find_endpoint(DockerSettings(host="tcp://[::1]:2375"), {}, tmp_path)
    assert (found.host, found.port) == ("::1", 2375)


@given(st.text(max_size=60))
def test_no_text_as_host_ends_in_anything_but_an_endpoint_or_a_refusal(text: str):
    with contextlib.suppress(ConfigurationInvalid):
        find_endpoint(DockerSettings(), {"DOCKER_HOST": text}, Path("/nonexistent"))
