from __future__ import annotations

import pytest

from devbench_cli.places import InContainer, in_container, required
from devbench_core.errors import ValidationFailed


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("web:src/main.py", InContainer("web", "src/main.py")),
        ("web:", InContainer("web", ".")),
        ("web:a:b", InContainer("web", "a:b")),
        ("./web:x", None),
        ("/tmp/web:x", None),
        ("folder/web:x", None),
        ("main.py", None),
        ("-", None),
    ],
)
def test_a_place_in_a_container_is_told_from_a_path_of_this_machine(text: str, place: InContainer | None):
    assert in_container(text) == place


def test_a_bare_container_means_the_given_path():
    assert required("web", path=".") == InContainer("web", ".")


@pytest.mark.parametrize("text", ["web", "", "./x"])
def test_a_missing_path_is_refused_with_an_example(text: str):
    with pytest.raises(ValidationFailed) as raised:
        required(text)
    assert "web:src/main.py" in raised.value.hint
