"""What names mean."""

import pytest

from devbench_core.errors import ValidationFailed
from devbench_core.images import ImageReference

HEX = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("text", "full"),
    [
        ("python", "docker.io/library/python:latest"),
        ("python:3.11-slim", "docker.io/library/python:3.11-slim"),
        ("bitnami/redis", "docker.io/bitnami/redis:latest"),
        ("docker.io/python", "docker.io/library/python:latest"),
        ("index.docker.io/python", "docker.io/library/python:latest"),
        ("docker.io/library/python", "docker.io/library/python:latest"),
        ("localhost/x", "localhost/x:latest"),
        ("localhost:5000/x:1", "localhost:5000/x:1"),
        ("registry.example.org/team/sub/x", "registry.example.org/team/sub/x:latest"),
        ("Registry.Example.org/x", "registry.example.org/x:latest"),
        ("127.0.0.1:5000/x", "127.0.0.1:5000/x:latest"),
        ("[::1]:5000/x", "[::1]:5000/x:latest"),
        ("a_b/c__d-e.f--g", "docker.io/a_b/c__d-e.f--g:latest"),
        (f"python@sha256:{HEX}", f"docker.io/library/python@sha256:{HEX}"),
        (f"python:3@sha256:{HEX}", f"docker.io/library/python:3@sha256:{HEX}"),
        (f"python@sha512:{HEX * 2}", f"docker.io/library/python@sha512:{HEX * 2}"),
    ],
)
def test_a_name_has_one_full_form(text: str, full: str):
    assert str(ImageReference.parse(text)) == full
    assert str(ImageReference.parse(full)) == full


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "python ", "Python", "py thon", "python:", "python:-x", f"python:{'x' * 129}", "-python", "python-",
        "a//b", "/python", "python/", "a..b/c", "a___b", "x@", "x@sha256:", f"x@sha256:{HEX[:-1]}", f"x@md5:{HEX}",
        f"x@sha256:{HEX.upper()}", "https://docker.io/python", "host:port/x", "-host.org/x", "host..org/x", HEX,
        f"library/{'x' * 250}", "x" * 513, "python\n", "python:3\n", "ä", "../x", "a/../b", "x:1:2",
        "[::1/x", "HOST/x", "LOCALHOST/x",
    ],
)  # fmt: skip
def test_what_is_no_reference_is_refused(text: str):
    with pytest.raises(ValidationFailed) as caught:
        ImageReference.parse(text)
    assert caught.value.details["field"] == "image"


def test_names_without_a_registry_come_from_the_configured_one():
    for text, full in {
        "python": "registry.local:5000/python:latest",
        "team/python": "registry.local:5000/team/python:latest",
        "docker.io/python": "docker.io/library/python:latest",
    }.items():
        assert str(ImageReference.parse(text, default_registry="registry.local:5000")) == full


@pytest.mark.parametrize("registry", ["", "local", "https://a.example", "a.example/path", "a.example:"])
def test_a_default_registry_that_no_name_could_begin_with_is_refused(registry: str):
    with pytest.raises(ValidationFailed):
        ImageReference.parse("python", default_registry=registry)
