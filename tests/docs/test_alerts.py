"""Alerts and the dashboard speak of metrics that there are, and each alert has its paragraph."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

REPOSITORY = Path(__file__).parents[2]
RULES = REPOSITORY / "deploy" / "prometheus" / "devbench.rules.yml"
DASHBOARD = REPOSITORY / "deploy" / "grafana" / "devbench.json"
SUFFIXES = ("_bucket", "_sum", "_count")


def known() -> set[str]:
    """Return the names that the reference has."""
    page = (REPOSITORY / "docs" / "reference" / "metrics.md").read_text(encoding="utf-8")
    return set(re.findall(r"^\| `(devbench_\w+)` \|", page, re.MULTILINE))


def rules() -> list[dict[str, Any]]:
    """Return the alerts."""
    return yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"][0]["rules"]


def names_in(expression: str) -> set[str]:
    """Return the metrics of an expression."""
    found = set(re.findall(r"\bdevbench_\w+", expression))
    return {
        next((name.removesuffix(each) for each in SUFFIXES if name.endswith(each)), name) for name in found
    }


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_an_alert_names_metrics_that_there_are_and_a_paragraph_that_says_what_to_do(rule: dict[str, Any]):
    assert names_in(rule["expr"]) <= known()
    page, _, anchor = rule["annotations"]["runbook"].partition("#")
    headings = re.findall(r"^## (.+)$", (REPOSITORY / page).read_text(encoding="utf-8"), re.MULTILINE)
    assert anchor in [heading.lower().replace(" ", "-") for heading in headings]
    assert rule["labels"]["severity"] in ("warning", "critical")
    assert rule["expr"].count("(") == rule["expr"].count(")")


def test_every_paragraph_is_an_alerts():
    page = (REPOSITORY / "docs/guides/runbooks.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (.+)$", page, re.MULTILINE) == [rule["alert"] for rule in rules()]


def test_the_dashboard_shows_metrics_that_there_are_each_in_a_place_of_its_own():
    panels = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    assert all(names_in(target["expr"]) <= known() for panel in panels for target in panel["targets"])
    assert all(names_in(target["expr"]) for panel in panels for target in panel["targets"])
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels]
    assert len(set(places)) == len(places) == len({panel["id"] for panel in panels})


def test_every_metric_is_on_the_dashboard_but_events():
    panels = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    shown = {name for panel in panels for target in panel["targets"] for name in names_in(target["expr"])}
    missing = {name for name in known() if name not in shown}
    assert missing <= UNSHOWN


UNSHOWN = {
    "devbench_events_total",  # those of an audit's plugins
    "devbench_postgresql_connects_total",
    "devbench_postgresql_pool_size",
    "devbench_postgresql_pool_waiting",
}
