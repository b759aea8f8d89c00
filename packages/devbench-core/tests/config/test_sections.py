"""Sections of the configuration build themselves only where they are given, and are models like any other."""

from __future__ import annotations

import subprocess
import sys
from typing import Annotated

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError

from devbench_core.config.sections import Section


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    number: int = 1
    words: list[str] = []


class Outer(BaseModel):
    inner: Annotated[Inner, Section(Inner)] = Inner.model_construct()


def test_a_section_is_validated_by_its_own_model_and_its_faults_keep_their_places():
    assert Outer.model_validate({"inner": {"number": "2"}}).inner == Inner(number=2)
    with pytest.raises(ValidationError) as failed:
        Outer.model_validate({"inner": {"number": "x", "words": [1], "other": 1}})
    places = [fault["loc"] for fault in failed.value.errors()]
    assert places == [("inner", "number"), ("inner", "words", 0), ("inner", "other")]


def test_a_ready_section_is_taken_as_it_is():
    ready = Inner(number=3)
    assert Outer(inner=ready).inner is ready


def test_a_section_is_dumped_as_a_model_is():
    outer = Outer(inner=Inner(number=3))
    assert outer.model_dump(mode="json") == {"inner": {"number": 3, "words": []}}
    assert outer.model_dump(exclude_unset=True) == {"inner": {"number": 3}}
    assert outer.model_dump_json(exclude_defaults=True) == '{"inner":{"number":3}}'


def test_a_section_is_described_as_its_model_is():
    described = Outer.model_json_schema()["properties"]["inner"]
    assert described["properties"] == Inner.model_json_schema()["properties"]
    assert described["additionalProperties"] is False


def test_a_section_that_is_not_given_is_not_built():
    probe = (
        "from devbench_core.config.settings import Settings\n"
        "given = Settings.model_validate({'execs': {}})\n"
        "print(type(given.execs).__pydantic_complete__, type(given.files).__pydantic_complete__)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe], check=True, capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "True False\n"
