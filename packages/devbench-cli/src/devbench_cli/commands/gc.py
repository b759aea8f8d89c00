"""`devbench gc`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from devbench_cli.options import Options, options_of

if TYPE_CHECKING:
    from devbench_core.bench import Bench
    from devbench_core.model.finding import Finding


@click.command()
@click.option("--dry-run", "-n", is_flag=True, help="Only say what would go, and why; change nothing.")
@click.pass_context
def app(ctx: click.Context, *, dry_run: bool) -> None:
    """End what is due and remove what is old or left over, now instead of in the background.

    One round of what a host does by itself: containers that are over, orphans on the engine whose grace is over, old
    records and outputs. Where a host is at work it does this, and nothing is done here.

    Examples:
      devbench gc --dry-run
      devbench gc
      devbench gc --dry-run --json | jq '.findings[] | select(.what == "orphan")'
    """
    from devbench_cli.running import run

    options = options_of(ctx)
    run(options, _gc(options, dry_run=dry_run))


async def _gc(options: Options, *, dry_run: bool) -> None:
    from devbench_cli.backends.local import opened_to_look
    from devbench_cli.backends.opening import overrides_of

    async with opened_to_look(options.config, overrides_of(options)) as bench:
        before = await _due(bench)
        done: bool | None = None
        left = before
        if not dry_run:
            from devbench_core.leading.leader import Leader

            done = await Leader(bench).once()
            left = await _due(bench)
    gone = [] if done is None else _gone(before, left)
    _show(options, [*gone, *left] if dry_run or options.as_json else gone, gone, done=done)


async def _due(bench: Bench) -> list[Finding]:
    return [*await bench.containers.due(), *await bench.execs.due()]


def _gone(before: list[Finding], left: list[Finding]) -> list[Finding]:
    """Return what was found before and is not any more, with how many of each."""
    import attrs

    rest = {(each.what, each.id, each.reason): each.count for each in left}
    counted = [
        attrs.evolve(each, count=each.count - rest.get((each.what, each.id, each.reason), 0))
        for each in before
    ]
    return [each for each in counted if each.count > 0]


def _show(options: Options, findings: list[Finding], gone: list[Finding], *, done: bool | None) -> None:
    import json

    from devbench_cli.show.results import NOTHING, line, span, table

    if options.as_json:
        rounds = {None: "none", True: "done", False: "elsewhere"}
        shown = [_as_values(each, done=any(each is other for other in gone)) for each in findings]
        line(json.dumps({"round": rounds[done], "findings": shown}, indent=2))
        return
    rows = [
        (
            each.what,
            each.id or NOTHING,
            str(each.count),
            each.reason,
            "now" if each.due_in_s <= 0 else f"in {span(each.due_in_s)}",
        )
        for each in findings
    ]
    if rows:
        headings = ("WHAT", "ID", "COUNT", "WHY", "WHEN")
        table(headings, rows) if done is None else table(headings[:-1], [row[:-1] for row in rows])
    if done is False:
        import sys

        sys.stderr.write("a host is at work and does this by itself; nothing was done here\n")


def _as_values(finding: Finding, *, done: bool) -> dict[str, Any]:
    return {
        "what": str(finding.what),
        "id": finding.id or None,
        "count": finding.count,
        "reason": finding.reason,
        "due_in_s": finding.due_in_s,
        "done": done,
    }
