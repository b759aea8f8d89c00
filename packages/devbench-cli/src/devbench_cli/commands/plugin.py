"""`devbench plugin`: for authors of plugins."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from devbench_cli.groups import OrderedGroup
from devbench_cli.options import Options, options_of

if TYPE_CHECKING:
    from devbench_core.testing.check.results import Result

TIMEOUT_S = 900.0


@click.group(cls=OrderedGroup)
def app() -> None:
    """Help authors of plugins.

    What is installed is listed by `devbench plugins`.
    """


@app.command()
@click.argument("name", metavar="NAME", help="Name of an installed plugin.")
@click.option(
    "--select",
    "-k",
    default="",
    show_default=False,
    metavar="WORDS",
    help="Only clauses with these words, joined by 'and' or 'or'.",
)
@click.option(
    "--image",
    multiple=True,
    metavar="IMAGE",
    help="Of a runtime: the image to test with, else its first. Of a scanner: NAME@DIGEST, twice or more.",
)
@click.option(
    "--examples",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Of tools: JSON with a list of valid arguments by the name of each; a container 'lab' is there.",
)
@click.option("--report", type=click.Path(path_type=Path), metavar="FILE", help="Write all results as JSON.")
@click.option(
    "--badge",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write a badge for shields.io's endpoint, as JSON.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=1),
    default=TIMEOUT_S,
    metavar="SECONDS",
    help="The most time for one provider.",
)
@click.pass_context
def check(
    ctx: click.Context,
    *,
    name: str,
    select: str,
    image: tuple[str, ...],
    examples: Path | None,
    report: Path | None,
    badge: Path | None,
    timeout: float,
) -> None:
    """Hold an installed plugin to the contracts of what it offers, with the conformance kit.

    Settings come from the plugin's table of the configuration: it is worked with, so name an empty database there, not
    one in use. Exits with 0 when all that the plugin claims holds.

    Examples:
      devbench plugin check sql
      devbench plugin check redis -k tokens --config ./devbench.toml
      devbench plugin check docker --image busybox:latest --report kit.json --badge badge.json
      devbench plugin check git-clone --examples ./examples.json
    """
    from importlib.metadata import version

    from devbench_cli.authors import checking, verdict
    from devbench_cli.inventory import plugin_reports
    from devbench_cli.show.results import json_line
    from devbench_core.config.load import load_settings
    from devbench_core.errors import ValidationFailed
    from devbench_core.testing.check.results import Outcome
    from devbench_core.testing.check.subject import HOOKS

    if not timeout >= 1:
        raise click.BadParameter(
            "it is no number", ctx=ctx, param_hint="--timeout"
        )  # a range lets nan through
    options = options_of(ctx)
    verdict.check_places(report, badge, select)
    checking.require_kit()
    tables = load_settings(options.config).settings.plugin
    reports = plugin_reports([name])
    results: list[Result] = []
    given = checking.examples_in(examples)
    for target in checking.targets_of(reports, name, list(HOOKS), images=image):
        results += checking.check(
            target,
            tables.get(target.provider, {}),
            examples=given,
            select=select,
            timeout_s=timeout,
            on_result=lambda result: _progress(result, options),
        )
    if not results:
        raise ValidationFailed("select", f"no clause has the words {select!r}")
    source = next(each.source for each in reports if each.source.name == name)
    found = verdict.document(source, version("devbench-core"), results, select=select)
    if report is not None:
        report.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    if badge is not None:
        badge.write_text(json.dumps(verdict.badge(results)) + "\n", encoding="utf-8")
    if options.as_json:
        json_line(found)
    else:
        _show(results, verdict.summary(source, results))
    if any(each.outcome is Outcome.FAILED for each in results) or not (select or verdict.conforms(results)):
        ctx.exit(1)


@app.command()
@click.argument("name", metavar="NAME", help="What configurations will call it.")
@click.option("--kind", required=True, metavar="KIND", help="tool, store, lock, scanner or runtime.")
@click.option(
    "--directory",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Where; by default a new folder named as the package.",
)
@click.pass_context
def new(ctx: click.Context, *, name: str, kind: str, directory: Path | None) -> None:
    """Make the package of a new plugin: it builds, is found and composes; its tests tell what is left to write.

    Examples:
      devbench plugin new --kind store jsonfile
      devbench plugin new --kind tool git-clone --directory ./my-tool
    """
    from devbench_cli.authors import scaffold
    from devbench_cli.show.results import json_line, line

    folder = directory or Path(scaffold.distribution_of(kind, name))
    written = scaffold.make(kind, name, folder)
    if options_of(ctx).as_json:
        return json_line({"folder": str(folder), "files": [str(path) for path in written]})
    for path in written:
        line(str(path))
    line(f"\nnext: cd {shlex.quote(str(folder))}")
    line("      uv venv && uv pip install -e '.[dev]' && uv run --no-sync pytest -x")
    return None


def _progress(result: Result, options: Options) -> None:
    """Say on a terminal what goes on: a whole suite takes a while."""
    if sys.stderr.isatty() and not options.quiet:
        sys.stderr.write(f"\r\x1b[K{result.kind} {result.provider}: {result.clause}"[:100])
        sys.stderr.flush()


def _show(results: list[Result], summary: str) -> None:
    from devbench_cli.show.results import line, table
    from devbench_core.testing.check.results import Outcome

    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K")
    rows = [
        (f"{each.kind} {each.provider}", each.clause, each.outcome.value, f"{each.seconds:.2f} s")
        for each in results
    ]
    table(("OF", "CLAUSE", "RESULT", "TIME"), rows)
    for each in results:
        if each.outcome is Outcome.FAILED:
            line(f"\n{each.kind} {each.provider}: {each.clause}")
            line("  stated by " + ", ".join(each.stated_by))
            line("\n".join(f"  {text}" for text in each.reason.splitlines()))
    for reason in sorted({each.reason for each in results if each.outcome is Outcome.SKIPPED}):
        line(f"\nskipped: {reason}")
    line(f"\n{summary}")
