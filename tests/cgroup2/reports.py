"""Reading pytest's reports."""

from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET


@dataclass(frozen=True, kw_only=True)
class Report:
    """The tests of one run by how they ended, each as ``folder.module::name``."""

    passed: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()


def read(path: Path) -> Report:
    """Return what a junit file says; nothing when it was not written."""
    if not path.exists():
        return Report()
    found: dict[str, list[str]] = {"passed": [], "failed": [], "skipped": []}
    for case in ET.parse(path).getroot().iter("testcase"):  # noqa: S314  # our own pytest wrote it
        kinds = {child.tag for child in case}
        how = "failed" if kinds & {"failure", "error"} else "skipped" if "skipped" in kinds else "passed"
        found[how].append(f"{case.get('classname')}::{case.get('name')}")
    return Report(**{how: tuple(tests) for how, tests in found.items()})
