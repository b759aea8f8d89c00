"""`devbench inspect`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from devbench_cli.options import Options
from devbench_cli.running import run_with_backend

if TYPE_CHECKING:
    from devbench_cli.backends.protocol import Backend
    from devbench_core.tools.containers import InspectOutput, PolicyView


@click.command()
@click.argument("container", metavar="CONTAINER", help="Id or alias.")
@click.pass_context
def app(ctx: click.Context, *, container: str) -> None:
    """Show everything about a container, living or ended.

    Examples:
      devbench inspect web
      devbench inspect web --json | jq .container.ending
    """
    run_with_backend(ctx, lambda backend, options: _inspect(backend, options, container))


async def _inspect(backend: Backend, options: Options, container: str) -> None:
    from devbench_cli.backends.protocol import ask
    from devbench_cli.show.results import as_json, facts, line
    from devbench_core.tools.containers import InspectOutput

    found = await ask(backend, InspectOutput, "inspect", container=container)
    if options.as_json:
        line(as_json(found))
    else:
        facts(_facts(found))


def _facts(found: InspectOutput) -> Iterator[tuple[str, str]]:
    from devbench_cli.show.results import NOTHING, age, span

    record = found.container
    yield "id", record.id
    yield "alias", record.alias or NOTHING
    yield "status", record.status
    yield "image", f"{record.image or '(default)'} {found.image_id}".rstrip()
    yield "runtime", record.runtime
    yield "workspace", record.workspace
    yield "created", f"{record.created_at.isoformat()} ({age(record.created_at)} ago)"
    yield "last used", age(record.last_used_at)
    yield "persistent", "yes" if record.persistent else "no"
    yield "time to live", span(record.ttl_s)
    yield "idle timeout", span(record.idle_timeout_s)
    yield "labels", ", ".join(f"{key}={value}" for key, value in sorted(record.labels.items())) or NOTHING
    yield "variables", ", ".join(found.env_names) or NOTHING
    yield "isolation", _policy(found.policy)
    if found.observed is not None:
        yield "engine says", found.observed.status
    for run in found.execs:
        yield "running", f"{run.id} {' '.join(run.argv)}"
    if record.ending is not None:
        yield "ended", f"{record.ending.reason} by {record.ending.by} at {record.ending.at.isoformat()}"
        yield "because", record.ending.message or NOTHING


def _policy(policy: PolicyView) -> str:
    from devbench_cli.show.results import size

    parts = [
        "read-only root" if policy.read_only_root else "writable root",
        f"capabilities {','.join(policy.capabilities) or 'none'}",
        f"network {policy.network}",
        f"seccomp {'on' if policy.seccomp else 'off'}",
        f"memory {size(policy.memory_bytes)}",
        f"cpus {policy.cpus or '-'}",
        f"pids {policy.pids or '-'}",
    ]
    return ", ".join(parts)
