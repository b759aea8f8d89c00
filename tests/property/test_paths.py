"""Paths: whatever a caller writes, what reaches the agent stays beneath the workspace."""

import os
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devbench_core.errors import PathOutside, ValidationFailed
from devbench_core.files.paths import absolute_path, agent_path, relative_path
from devbench_core.files.roots import folders_beneath, root_of
from devbench_core.files.settings import FileLimits

LIMITS = FileLimits()
NAMES = st.one_of(
    st.sampled_from(
        ["", ".", "..", "workspace", "a", "b c", "ä", os.fsdecode(b"\xff"), "...", "~", "-", "\n"]
    ),
    st.text(alphabet=st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), max_size=300),
)


@st.composite
def paths(draw: st.DrawFn) -> str:
    return draw(st.sampled_from(["", "/"])) + "/".join(draw(st.lists(NAMES, max_size=8)))


PATHS = paths()


@given(PATHS)
def test_no_path_leads_out(path: str) -> None:
    try:
        found = relative_path(path, LIMITS)
    except (PathOutside, ValidationFailed):
        return
    names = found.split(b"/") if found else []
    assert all(name not in {b"", b".", b".."} and b"\0" not in name for name in names)
    assert all(len(name) <= LIMITS.name_max_bytes for name in names)
    assert len(found) <= LIMITS.path_max_bytes
    assert absolute_path(found).is_relative_to("/workspace")


@given(PATHS)
def test_it_is_what_the_text_means(path: str) -> None:
    try:
        found = relative_path(path, LIMITS)
    except (PathOutside, ValidationFailed):
        return
    meant = os.path.normpath("/workspace/" + path if not path.startswith("/") else path)
    assert PurePosixPath(absolute_path(found)) == PurePosixPath("/" + meant.lstrip("/"))


@given(PATHS)
def test_what_was_accepted_is_accepted_again_in_both_forms(path: str) -> None:
    try:
        found = relative_path(path, LIMITS)
    except (PathOutside, ValidationFailed):
        return
    assert relative_path(os.fsdecode(found) or ".", LIMITS) == found
    assert relative_path(absolute_path(found), LIMITS) == found


@pytest.mark.parametrize("path", ["", "a\0b", "x" * 256, "/".join(["x" * 200] * 30), "\ud800"])
def test_what_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(ValidationFailed):
        relative_path(path, LIMITS)


@pytest.mark.parametrize(
    "path", ["..", "a/../..", "/", "/work", "/workspace/..", "//etc", "/workspace/../workspace2"]
)
def test_what_leads_out_is_refused(path: str) -> None:
    with pytest.raises(PathOutside):
        relative_path(path, LIMITS)


ROOTS = ("/tmp", "/srv/data")


@given(PATHS, st.sampled_from(["", "/", "/tmp/", "/srv/data/", "/srv/"]))
def test_a_path_is_in_one_root_or_outside(path: str, start: str) -> None:
    try:
        where = agent_path(start + path, LIMITS)
        root = root_of(where, ROOTS)
    except (PathOutside, ValidationFailed):
        return
    meant, top = absolute_path(where), absolute_path(root)
    text = start + path
    assert root.decode() in {"", *ROOTS}
    assert meant == PurePosixPath(
        os.path.normpath(text if text.startswith("/") else f"/workspace/{text}").replace("//", "/")
    )
    assert agent_path(meant, LIMITS) == where
    above = [folder for folder in (meant, *meant.parents) if top in folder.parents]
    assert [absolute_path(folder) for folder in folders_beneath(root, where)] == above[::-1]
