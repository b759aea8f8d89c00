"""Why an image was not pulled, whichever engine and registry said it."""

import pytest
from pydantic import SecretStr

from devbench_core.engines.pulling import pull_failed, stalled
from devbench_core.model.image import RegistryAuth

NAME = "registry.example/tiny/image:1"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("unauthorized: authentication required", "the registry refuses it without credentials"),
        ("dial tcp: lookup registry.example: no such host", "the registry does not answer the engine"),
        (
            "pinging container registry: http: server gave HTTP response to HTTPS client",
            "does not answer the engine",
        ),
        ("manifest unknown: manifest unknown", "the registry has no such image"),
        ("no space left on device", "the engine could not fetch it"),
    ],
)
def test_what_an_engine_said_becomes_a_reason(text: str, why: str):
    error = pull_failed(NAME, text, None)
    assert why in error.message
    assert NAME in error.message
    assert error.details["engine"] == text


def test_the_user_is_named_and_the_password_is_not():
    auth = RegistryAuth(registry="registry.example", username="robot", password=SecretStr("s3cret"))
    error = pull_failed(NAME, "denied", auth)
    assert "'robot'" in error.message
    assert "s3cret" not in f"{error} {error.details}"


def test_a_pull_that_stands_still_names_its_bound():
    error = stalled(NAME, "podman", 1.5)
    assert "1.5 s" in error.message
    assert "plugin.podman.pull_stall_timeout_s" in error.hint
