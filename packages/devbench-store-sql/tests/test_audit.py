"""What is wrong with a row is said in a sentence that names it."""

from __future__ import annotations

import pytest

from devbench_store_sql.audit import faults_of_logs, faults_of_records

SOUND = ("k", "a", 1, "{}", '["t"]', '["t"]')


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        (SOUND, ""),
        (("k", "a", 0, "{}", "[]", "[]"), "revision 0 is none"),
        (("k", "a", 1, "{", "[]", "[]"), "its data or terms are no JSON"),
        (("k", "a", 1, "[]", "[]", "[]"), "its data are no JSON object"),
        (("k", "a", 1, "{}", "t", "[]"), "its data or terms are no JSON"),
        (("k", "a", 1, "{}", '[""]', "[]"), "terms: must be 1-1000 characters"),
        (("k", "a" * 201, 1, "{}", "[]", "[]"), "key: must be 1-200 characters"),
        (("k", "a", 1, "{}", '["t"]', "[]"), "it is found by other terms than it has: 't'"),
        (("k", "a", 1, "{}", "[]", '["u"]'), "it is found by other terms than it has: 'u'"),
    ],
)
def test_a_records_fault_is_named(row: tuple[object, ...], fault: str):
    found = list(faults_of_records([SOUND, row]))
    assert len(found) == bool(fault)
    assert all(fault in text and str(row[1]) in text for text in found)


def test_a_logs_fault_is_named():
    assert list(faults_of_logs([("sound", 1), ("l", 0)])) == ["log 'l': entry 0 is below 1"]
