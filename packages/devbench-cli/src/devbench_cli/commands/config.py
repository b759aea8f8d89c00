"""`devbench config`."""

from __future__ import annotations

import json
from typing import Any

import click

from devbench_cli.groups import OrderedGroup
from devbench_cli.options import Options, options_of


@click.group(cls=OrderedGroup)
def app() -> None:
    """Show, check and describe the configuration.

    It is read from --config, DEVBENCH_CONFIG, ./devbench.toml, ~/.config/devbench/devbench.toml and
    /etc/xdg/devbench/devbench.toml, the first that exists; variables DEVBENCH_… win over the file.
    """


@app.command()
@click.pass_context
def show(ctx: click.Context) -> None:
    """Print the configuration in force, defaults included, secrets hidden.

    Examples:
      devbench config show
      DEVBENCH_RUNTIME=docker devbench config show --json | jq .runtime
    """
    from devbench_cli.show.results import line
    from devbench_cli.show.settings import shown
    from devbench_cli.show.toml import to_toml

    options = options_of(ctx)
    loaded = _load(options)
    values = shown(loaded.settings)
    if options.as_json:
        return line(json.dumps(values, indent=2))
    line(f"# from {loaded.path}" if loaded.path else "# no file was found: defaults and variables")
    return line(to_toml(values))


@app.command()
@click.pass_context
def check(ctx: click.Context) -> None:
    """Check file, variables and every plugin's own table; exit 78 with all faults when there are some.

    Examples:
      devbench config check
      devbench config check --config ./staging.toml
    """
    from devbench_cli.show.results import json_line, line
    from devbench_cli.show.settings import check_front_ends
    from devbench_core.compose.composition import compose

    options = options_of(ctx)
    loaded = _load(options)
    composition = compose(loaded.settings)
    check_front_ends(loaded.settings)
    file = None if loaded.path is None else str(loaded.path)
    runtimes = [candidate.provider.name for candidate in composition.runtimes]
    store, lock = composition.store.provider.name, composition.lock.provider.name
    if options.as_json:
        return json_line({"ok": True, "file": file, "runtimes": runtimes, "store": store, "lock": lock})
    line(f"the configuration is fine ({file or 'no file, defaults'})")
    return line(f"runtime {' or '.join(runtimes)}, store {store}, lock {lock}")


@app.command()
@click.pass_context
def schema(ctx: click.Context) -> None:
    """Print the JSON Schema of the configuration, with the tables of the installed plugins.

    Examples:
      devbench config schema > devbench.schema.json
    """
    from devbench_cli.show.results import line
    from devbench_cli.show.settings import schema_of_all

    _ = options_of(ctx)
    line(json.dumps(schema_of_all(), indent=2))


def _load(options: Options) -> Any:
    from devbench_cli.backends.opening import overrides_of
    from devbench_core.config.load import load_settings

    return load_settings(options.config, overrides=overrides_of(options))
