"""`devbench serve`."""

from __future__ import annotations

import click

PASSED_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": ["-h"]}


@click.command(context_settings=PASSED_ON)
@click.pass_context
def app(ctx: click.Context) -> None:
    """Run the MCP and HTTP host; all arguments are those of `devbench-mcp`.

    Its options: devbench serve --help. Needs the extra: uv add 'devbench-cli[serve]'.

    Examples:
      devbench serve                                  MCP over stdio, for an agent's configuration
      devbench serve --transport http --port 8765     MCP over HTTP on this machine
    """
    from devbench_core.errors import ConfigurationInvalid

    try:
        from devbench_mcp.main import main
    except ImportError as error:
        raise ConfigurationInvalid(
            f"the host is not installed: {error}", hint="uv add 'devbench-cli[serve]'"
        ) from error
    ctx.exit(main(_passed(ctx)))


def _passed(ctx: click.Context) -> list[str]:
    """Return the host's arguments: those after `serve`, and the configuration file named before it."""
    from devbench_cli.options import options_of

    config = options_of(ctx).config
    if config is None or any(word.split("=")[0] == "--config" for word in ctx.args):
        return list(ctx.args)
    return ["--config", str(config), *ctx.args]
