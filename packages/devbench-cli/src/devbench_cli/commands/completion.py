"""`devbench completion`."""

from __future__ import annotations

import click

from devbench_cli.completing import SHELLS, script


@click.command()
@click.argument("shell", type=click.Choice(SHELLS), metavar="SHELL", help="bash, zsh, fish or powershell.")
@click.pass_context
def app(ctx: click.Context, *, shell: str) -> None:
    """Print the script with which a shell completes commands and options of devbench on Tab.

    Put it where your shell looks for such scripts, as below, and open a new shell. It asks the devbench that is
    installed, so it stays good when that is upgraded. bash (4.4 or newer) looks there with the package bash-completion,
    zsh where the folder is added to $fpath before compinit is called.

    Examples:
      devbench completion bash > ~/.local/share/bash-completion/completions/devbench
      devbench completion zsh > ~/.zfunc/_devbench
      devbench completion fish > ~/.config/fish/completions/devbench.fish
      devbench completion powershell >> $PROFILE
    """
    ctx.exit(script(ctx.find_root().command, shell))
