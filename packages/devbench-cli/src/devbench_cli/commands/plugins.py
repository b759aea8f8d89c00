"""`devbench plugins`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from devbench_cli.options import Options, options_of

if TYPE_CHECKING:
    from devbench_cli.inventory import PluginReport


@click.command()
@click.pass_context
def app(ctx: click.Context) -> None:
    """List plugins: what each provides, from which package and file, and whether it is enabled.

    What others than devbench made runs only when `plugins` in the configuration names it; what is
    not enabled is not imported for this list either. What is made for another version of the plugin API is listed as
    incompatible, with what to do. The exit code is 78 when an enabled plugin cannot be loaded.

    Examples:
      devbench plugins
      devbench plugins --json | jq '.plugins[] | select(.state == "failed")'
      devbench plugins --json | jq -r '.plugins[] | select(.enabled | not) | .enable_with'
    """
    from devbench_cli.failures import EXIT_CONFIGURATION
    from devbench_cli.inventory import FAILED, plugin_reports
    from devbench_cli.show.results import json_line

    options = options_of(ctx)
    reports = plugin_reports(_enabled(options))
    if options.as_json:
        json_line({"plugins": [_json(report) for report in reports]})
    else:
        _show(reports)
    if any(report.state == FAILED for report in reports):
        ctx.exit(EXIT_CONFIGURATION)


def _enabled(options: Options) -> list[str] | None:
    """Return the names in the configuration; a broken configuration must not hide the plugins."""
    from devbench_core.config.load import load_settings
    from devbench_core.errors import ConfigurationInvalid

    try:
        return load_settings(options.config).settings.plugins
    except ConfigurationInvalid as error:
        sys.stderr.write(f"warning: {error.message}\n")
        return None


def _json(report: PluginReport) -> dict[str, object]:
    return {
        "name": report.source.name,
        "distribution": report.source.distribution,
        "version": report.source.version,
        "provides": report.provides(),
        "entry_point": report.source.target,
        "group": report.source.group,
        "file": report.file,
        "editable": report.source.editable,
        "enabled": report.is_enabled,
        "enable_with": report.enable_with,
        "state": report.state,
        "error": report.error,
    }


def _show(reports: list[PluginReport]) -> None:
    from devbench_cli.show.results import line, table

    rows = [
        (
            report.source.name,
            _package(report),
            ", ".join(report.provides()) or "-",
            report.source.target,
            report.file or "-",
            report.state,
        )
        for report in reports
    ]
    table(("NAME", "PACKAGE", "PROVIDES", "ENTRY POINT", "FILE", "STATE"), rows)
    for report in reports:
        if report.error:
            line(f"{report.source.name}: {report.error}")
        if report.enable_with:
            line(
                f"{report.source.name}: not enabled; to trust it, write in the configuration: {report.enable_with}"
            )


def _package(report: PluginReport) -> str:
    editable = " (editable)" if report.source.editable else ""
    return f"{report.source.distribution} {report.source.version}{editable}"
