"""What the kit found, as a document that can be published."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from devbench_core.compose.discovery import PluginSource
from devbench_core.errors import ValidationFailed
from devbench_core.records import to_json
from devbench_core.testing.check.results import Outcome, Result

GREEN, RED, GREY = "brightgreen", "red", "lightgrey"


def check_places(report: Path | None, badge: Path | None, select: str) -> None:
    """See before a long run that its results can be written.

    Raises:
        ValidationFailed: They cannot, or a part shall have a badge.
    """
    if badge is not None and select:
        raise ValidationFailed("badge", "is of the whole contract; leave out --select")
    for field, path in (("report", report), ("badge", badge)):
        if path is not None and (path.is_dir() or not path.absolute().parent.is_dir()):
            raise ValidationFailed(field, f"{path} is no file in a folder that is there")


def document(
    source: PluginSource, kit: str, results: Sequence[Result], *, select: str = ""
) -> dict[str, object]:
    """Return everything for machines.

    Args:
        source: The plugin.
        kit: The kit's version.
        results: Of all its providers.
        select: The selection, "" when all was tried; a part shows nothing of the whole.
    """
    counts = _counts(results)
    return {
        "plugin": source.name,
        "distribution": source.distribution,
        "version": source.version,
        "kit": kit,
        "at": datetime.now(UTC).isoformat(),
        "select": select,
        "conforms": conforms(results) and not select,
        **{outcome.value: counts[outcome] for outcome in Outcome},
        "results": [to_json(result) for result in results],
    }


def badge(results: Sequence[Result]) -> dict[str, object]:
    """Return a badge in the form that shields.io reads from an address (its endpoint schema, version 1)."""
    counts = _counts(results)
    if counts[Outcome.FAILED]:
        message, color = f"{counts[Outcome.FAILED]} of {len(results)} clauses fail", RED
    elif conforms(results):
        message, color = f"{counts[Outcome.PASSED]} clauses hold", GREEN
    else:
        message, color = "not everything was shown", GREY
    return {"schemaVersion": 1, "label": "devbench kit", "message": message, "color": color}


def summary(source: PluginSource, results: Sequence[Result]) -> str:
    """Return one line for people."""
    counts = _counts(results)
    words = [f"{counts[Outcome.PASSED]} hold", f"{counts[Outcome.FAILED]} fail"]
    if counts[Outcome.SKIPPED]:
        words.append(f"{counts[Outcome.SKIPPED]} skipped, since they are not claimed or not given")
    return f"{source}: {len(results)} clauses, {', '.join(words)}"


def conforms(results: Sequence[Result]) -> bool:
    """Tell whether each provider keeps what it claims, and something was shown of each."""
    of_each: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        of_each.setdefault((result.kind, result.provider), []).append(result)
    counts = [_counts(some) for some in of_each.values()]
    return bool(counts) and all(each[Outcome.PASSED] and not each[Outcome.FAILED] for each in counts)


def _counts(results: Sequence[Result]) -> Counter[Outcome]:
    return Counter(result.outcome for result in results)
