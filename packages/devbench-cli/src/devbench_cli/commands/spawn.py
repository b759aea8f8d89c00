"""`devbench spawn`."""

from __future__ import annotations

import sys
from typing import Any

import click

from devbench_cli.options import Options
from devbench_cli.running import run_with_backend


@click.command()
@click.argument(
    "image", default="", metavar="[IMAGE]", help="Image name or alias; the configured default when absent."
)
@click.option("--alias", "-a", metavar="NAME", help="A name to use instead of the id.")
@click.option("--env", "-e", multiple=True, metavar="KEY[=VALUE]", help="Variable of all its commands.")
@click.option("--label", "-l", multiple=True, metavar="KEY=VALUE", help="Label to find it by.")
@click.option("--ttl", metavar="DURATION", help="Kill it after 90s, 15m, 8h, 2d; or never. Default: a day.")
@click.option("--idle-timeout", metavar="DURATION", help="Kill it when unused for so long.")
@click.option(
    "--persistent/--no-persistent", default=True, help="Whether it outlives the host that serves it."
)
@click.option("--memory", metavar="SIZE", help="Bound of memory: 512M, 2G.")
@click.option("--cpus", type=float, metavar="N", help="Bound of processor time in cores.")
@click.option("--pids", type=int, metavar="N", help="Bound of the number of processes.")
@click.option("--tmpfs", metavar="SIZE", help="Size of /tmp.")
@click.option("--network", metavar="NETWORK", help="none, or engine where allowed.")
@click.option("--user", metavar="UID[:GID]", help="Who its commands run as.")
@click.option(
    "--exec-user",
    multiple=True,
    metavar="UID[:GID]",
    help="Another user that single commands may run as; repeatable.",
)
@click.option(
    "--writable-root", is_flag=True, help="Let commands write outside of the workspace, where allowed."
)
@click.option("--entrypoint", is_flag=True, help="Run the image's own entry point as the first command.")
@click.option(
    "--key",
    "--idempotency-key",
    metavar="TEXT",
    help="A repeat with the same key within a day gives the same container.",
)
@click.pass_context
def app(
    ctx: click.Context,
    *,
    image: str,
    alias: str | None,
    env: tuple[str, ...],
    label: tuple[str, ...],
    ttl: str | None,
    idle_timeout: str | None,
    persistent: bool,
    memory: str | None,
    cpus: float | None,
    pids: int | None,
    tmpfs: str | None,
    network: str | None,
    user: str | None,
    exec_user: tuple[str, ...],
    writable_root: bool,
    entrypoint: bool,
    key: str | None,
) -> None:
    """Make a container and print its id.

    The container outlives this command: it is persistent, and ends with `devbench kill` or after its time to
    live (a day unless --ttl or the configuration says otherwise). A running host (`devbench serve`) enforces
    that to the second; without one, the next devbench command does.

    Examples:
      devbench spawn --alias web
      devbench spawn python:3.12-slim --alias job --ttl 2h --memory 1G --label team=blue
      ID=$(devbench spawn) && devbench exec "$ID" -- uname -a
    """
    policy = {
        "memory_bytes": memory,
        "cpus": cpus,
        "pids": pids,
        "tmpfs_bytes": tmpfs,
        "network": network,
        "user": user,
        "exec_users": list(exec_user) or None,
        "read_only_root": False if writable_root else None,
    }
    arguments: dict[str, Any] = {
        "image": image,
        "alias": alias,
        "env": env,
        "labels": label,
        "ttl": ttl,
        "idle_timeout": idle_timeout,
        "persistent": persistent,
        "run_entrypoint": entrypoint,
        "idempotency_key": key,
        "policy": {name: value for name, value in policy.items() if value is not None},
    }
    run_with_backend(ctx, lambda backend, options: _spawn(backend, options, arguments))


async def _spawn(backend: Any, options: Options, given: dict[str, Any]) -> None:
    from devbench_cli.backends.protocol import ask
    from devbench_cli.show.progress import bar
    from devbench_cli.show.results import as_json, line
    from devbench_core.tools.containers import SpawnOutput

    with bar(f"pull {given['image'] or 'image'}", options) as progress:
        spawned = await ask(
            backend, SpawnOutput, "spawn", progress=progress, **_arguments(given, backend.default_ttl_s)
        )
    if options.as_json:
        return line(as_json(spawned))
    line(spawned.container.id)
    if not options.quiet and sys.stderr.isatty():
        name = spawned.container.alias or spawned.container.id
        word = "was there already" if spawned.replayed else f"runs on {spawned.container.runtime}"
        sys.stderr.write(f"{name} {word}; try: devbench exec {name} -- sh -c 'echo hi'\n")
    return None


def _arguments(given: dict[str, Any], default_ttl_s: float | None) -> dict[str, Any]:
    """Return the tool's arguments; texts become numbers and pairs."""
    from devbench_cli.units import duration_s, pairs, size_bytes

    arguments = dict(given)
    ttl, idle = arguments.pop("ttl"), arguments.pop("idle_timeout")
    arguments["ttl_s"] = default_ttl_s if ttl is None else duration_s("--ttl", ttl)
    arguments["idle_timeout_s"] = None if idle is None else duration_s("--idle-timeout", idle)
    arguments["env"] = pairs("--env", arguments["env"], inherit=True)
    arguments["labels"] = pairs("--label", arguments["labels"])
    policy: dict[str, Any] = dict(arguments["policy"])
    for name, option in (("memory_bytes", "--memory"), ("tmpfs_bytes", "--tmpfs")):
        if name in policy:
            policy[name] = size_bytes(option, policy[name])
    arguments["policy"] = policy
    return arguments
