"""Edits of text, before any file is asked: replacements and unified diffs."""

import difflib
import random

import pytest

from devbench_core.errors import ValidationFailed
from devbench_core.files.misfits import Misfit, split_lines
from devbench_core.files.patches import apply, parse
from devbench_core.files.replacing import replace_all
from devbench_core.model.filechange import EditedPlace, Replacement

TEXT = "one\ntwo\nthree\nfour\nfive\nsix\n"


def test_replacements_apply_in_order_each_to_what_those_before_left():
    text, places = replace_all(
        TEXT, [Replacement(old="two", new="2\n2.5"), Replacement(old="2.5\nthree", new="3")]
    )
    assert text == "one\n2\n3\nfour\nfive\nsix\n"
    assert places == [EditedPlace(index=0, line=2), EditedPlace(index=1, line=3)]


@pytest.mark.parametrize(("count", "fits"), [(1, False), (2, True), (3, False), (None, True)])
def test_a_replacement_must_be_there_as_often_as_it_says(count: int | None, fits: bool):
    change = [Replacement(old="a", new="b", count=count)]
    if fits:
        assert replace_all("a\nxa\n", change)[0] == "b\nxb\n"
        return
    with pytest.raises(Misfit) as misfit:
        replace_all("a\nxa\n", change)
    assert (misfit.value.reason, misfit.value.found, misfit.value.lines) == ("count", 2, (1, 2))


def test_what_is_not_there_is_told_with_what_is_there_but_for_blanks():
    with pytest.raises(Misfit) as misfit:
        replace_all("def f():\n\tif x:\n\t\treturn 1\n", [Replacement(old="if x:\n    return 1\n", new="")])
    assert misfit.value.nearest == ((2, "\tif x:"), (3, "\t\treturn 1"))
    assert "is not there" in misfit.value.as_error("f", "e").message


def test_what_is_not_there_is_told_with_the_lines_that_are_most_like_it():
    text = "".join(f"value_{i} = compute({i})\n" for i in range(200)) + "total = sum_of(values)\n"
    with pytest.raises(Misfit) as misfit:
        replace_all(text, [Replacement(old="totl = sum_of(values)", new="x")])
    assert misfit.value.nearest[0] == (201, "total = sum_of(values)")
    error = misfit.value.as_error("/workspace/f", "e")
    assert "line 201" in error.message
    assert error.details["nearest"] == [{"line": line, "text": text} for line, text in misfit.value.nearest]


@pytest.mark.parametrize(
    ("text", "old", "hint"), [("a\r\nb\r\n", "a\nb", r"\r\n"), ("a\nb\n", "a\r\nb", r"\n alone")]
)
def test_line_ends_that_differ_are_told(text: str, old: str, hint: str):
    with pytest.raises(Misfit) as misfit:
        replace_all(text, [Replacement(old=old, new="x")])
    assert hint in misfit.value.hint


def patched(text: str, diff: str) -> tuple[str, list[EditedPlace]]:
    return apply(text, parse(diff, 100))


def test_a_diff_applies_where_it_says():
    diff = "--- a/f\n+++ b/f\n@@ -2,2 +2,3 @@ section\n two\n-three\n+3\n+3.5\n@@ -6 +7 @@\n-six\n+6\n"
    text, places = patched(TEXT, diff)
    assert text == "one\ntwo\n3\n3.5\nfour\nfive\n6\n"
    assert places == [EditedPlace(index=0, line=2), EditedPlace(index=1, line=6)]


def test_a_hunk_that_is_in_one_other_place_applies_there_and_that_is_told():
    text, places = patched("zero\nnought\n" + TEXT, "@@ -2,2 +2,1 @@\n two\n-three\n@@ -5 +4 @@\n-five\n+5\n")
    assert text == "zero\nnought\none\ntwo\nfour\n5\nsix\n"
    assert [place.offset for place in places] == [2, 2]


def test_a_hunk_that_is_in_several_other_places_is_refused_with_them():
    with pytest.raises(Misfit) as misfit:
        patched("x\na\nb\nx\na\nb\n", "@@ -1,2 +1,1 @@\n-a\n b\n")
    assert (misfit.value.reason, misfit.value.lines) == ("ambiguous", (2, 5))


def test_a_hunk_that_is_nowhere_is_named_with_the_first_line_that_differs():
    with pytest.raises(Misfit) as misfit:
        patched(TEXT, "@@ -1 +1 @@\n-one\n+1\n@@ -3,2 +3,2 @@\n three\n-for\n+4\n")
    assert misfit.value.index == 1
    assert "line 4 is to be 'for' and is 'four'" in misfit.value.text


def test_nothing_is_changed_by_a_diff_whose_last_hunk_fails():
    hunks = parse("@@ -1 +1 @@\n-one\n+1\n@@ -6 +6 @@\n-seven\n+7\n", 10)
    with pytest.raises(Misfit):
        apply(TEXT, hunks)


@pytest.mark.parametrize(
    ("text", "diff", "result"),
    [
        ("a\nb", "@@ -2 +2 @@\n-b\n\\ No newline at end of file\n+c\n", "a\nc\n"),
        ("a\nb\n", "@@ -2 +2 @@\n-b\n+b\n\\ No newline at end of file\n", "a\nb"),
        ("a\r\nb\r\n", "@@ -1 +1 @@\n-a\r\n+x\r\n", "x\r\nb\r\n"),
        ("", "@@ -0,0 +1,2 @@\n+a\n+b\n", "a\nb\n"),
        ("a\n", "@@ -1 +0,0 @@\n-a\n", ""),
        ("a\nb\n", "@@ -1,0 +2 @@\n+x\n", "a\nx\nb\n"),
        ("a\n\nb\n", "@@ -1,3 +1,3 @@\n a\n\n-b\n+c\n", "a\n\nc\n"),
        ("-- x\n", "@@ -1 +1 @@\n--- x\n+-- y\n", "-- y\n"),
    ],
)
def test_line_ends_and_a_missing_last_one_are_exact(text: str, diff: str, result: str):
    assert patched(text, diff)[0] == result


def test_a_last_line_without_an_end_must_be_said_to_have_none():
    with pytest.raises(Misfit) as misfit:
        patched("a\nb", "@@ -2 +2 @@\n-b\n+c\n")
    assert "No newline" in misfit.value.hint
    with pytest.raises(Misfit):
        patched("a\nb\n", "@@ -1 +1 @@\n-a\n+x\n\\ No newline at end of file\n")


@pytest.mark.parametrize(
    ("diff", "problem"),
    [
        ("", "no hunk"),
        ("hello", "no hunk"),
        ("@@ -1 @@\n-a\n", "header"),
        ("@@ -1,2 +1 @@\n-a\n", "1 old and 0 new"),
        ("@@ -1 +1 @@\n-a\n+b\n+c\n", "does not count"),
        ("--- a\n+++ b\n@@ -1 +1 @@\n-a\n+b\n--- c\n+++ d\n@@ -1 +1 @@\n-a\n+b\n", "several files"),
        ("@@ -1 +1 @@\n-a\n+b\n" * 101, "at most 100"),
    ],
)
def test_what_is_no_diff_of_one_file_is_refused_with_the_reason(diff: str, problem: str):
    with pytest.raises(ValidationFailed, match=problem):
        parse(diff, 100)


@pytest.mark.parametrize("seed", range(40))
def test_any_difference_of_two_texts_applies_to_the_first_and_gives_the_second(seed: int):
    dice = random.Random(seed)  # noqa: S311 - texts, no secrets
    words = ["a", "b", "", "-x", "+y", " z", "@@ -1 +1 @@", "\\ no", "--- q", "d\r"]

    def text() -> str:
        lines = [dice.choice(words) for _ in range(dice.randint(0, 30))]
        return "\n".join(lines) + ("\n" if lines and dice.random() < 0.7 else "")

    old, new = text(), text()
    if old == new:
        return
    diff = ""
    before, after = split_lines(old), split_lines(new)
    for line in difflib.unified_diff(before, after, "f", "f", n=dice.randint(0, 3)):
        diff += line if line.endswith("\n") else line + "\n\\ No newline at end of file\n"
    assert patched(old, diff)[0] == new
