"""Renders docs/reference/configuration.md from the settings models. Run it to bring the page up to date."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from devbench_core.config.faults import inner_model
from devbench_core.config.settings import Settings
from devbench_lock_redis.settings import RedisSettings
from devbench_mcp.settings import McpSettings
from devbench_runtime_bubblewrap.settings import BubblewrapSettings
from devbench_runtime_docker.settings import DockerSettings
from devbench_runtime_podman.settings import PodmanSettings
from devbench_store_sql.settings import SqlSettings

PATH = Path(__file__).parents[2] / "docs" / "reference" / "configuration.md"
INTRO = """# Configuration

`devbench.toml` is looked for in this order: `--config FILE`, the variable `DEVBENCH_CONFIG`, the working
directory, the user's folder (`$XDG_CONFIG_HOME/devbench/`, `~/.config/devbench/`), the system's folders
(`$XDG_CONFIG_DIRS`, `/etc/xdg`, each with `devbench/`), `/etc/devbench/`. The first one found is read, and no
other.

Variables win over the file: `DEVBENCH_RUNTIME=docker`, and with `__` for nesting
`DEVBENCH_LIFETIMES__CHECK_INTERVAL_S=3` or `DEVBENCH_PLUGIN__DOCKER__HOST=unix:///run/docker.sock`. Lists are
written as JSON. An unknown key or variable is an error that suggests the nearest name. `devbench config show`
prints what holds, `check` reports every fault, and `schema` prints a JSON schema.

This page is generated from the models by `scripts/docs/config_reference.py`.
"""
TABLES: tuple[tuple[str, type[BaseModel]], ...] = (
    ("mcp", McpSettings),
    ("plugin.docker", DockerSettings),
    ("plugin.podman", PodmanSettings),
    ("plugin.bubblewrap", BubblewrapSettings),
    ("plugin.sql", SqlSettings),
    ("plugin.redis", RedisSettings),
)


def render() -> str:
    """Return the page."""
    parts = [INTRO, "\n## Top level\n", *table(Settings)]
    for name, field in Settings.model_fields.items():
        model = inner_model(field.annotation)
        if model is not None:
            parts += [f"\n## `[{name}]`\n", (model.__doc__ or "").split("\n\n")[0] + "\n", *table(model)]
            for key, deeper in model.model_fields.items():
                nested = inner_model(deeper.annotation)
                if nested is not None:
                    parts += nested_tables(f"{name}.{key}", deeper, nested)
    for name, model in TABLES:
        parts += [f"\n## `[{name}]`\n", (model.__doc__ or "").split("\n\n")[0] + "\n", *table(model)]
        for key, deeper in model.model_fields.items():
            nested = inner_model(deeper.annotation)
            if nested is not None:
                parts += [f"\n### `[{name}.{key}]`\n", *table(nested)]
    return "\n".join(parts) + "\n"


def nested_tables(name: str, field: FieldInfo, model: type[BaseModel]) -> Iterator[str]:
    """Yield the table of models in a list, or of models by their names with what these hold in turn."""
    by_name = get_origin(field.annotation) is dict
    yield f"\n### `[{name}.NAME]`\n" if by_name else f"\n### `[[{name}]]`\n"
    yield from table(model)
    for key, deeper in model.model_fields.items():
        inner = inner_model(deeper.annotation)
        if inner is not None:
            yield f"\n### `[{name}.NAME.{key}]`\n"
            yield from table(inner)


def table(model: type[BaseModel]) -> Iterator[str]:
    """Yield the rows of a model's table."""
    yield "| setting | default | meaning |"
    yield "|---|---|---|"
    for name, field in model.model_fields.items():
        if not field.description:
            raise SystemExit(f"{model.__name__}.{name} has no description")
        bounds = ", ".join(bound(item) for item in field.metadata if bound(item))
        extra = f" ({bounds})" if bounds else ""
        yield f"| `{name}` | {default(field)} | {field.description}{extra} |"


def default(field: FieldInfo) -> str:
    """Return a default for people."""
    if field.is_required():
        return "required"
    factory: Any = field.default_factory
    if factory is not None:
        if inner_model(field.annotation) is not None:
            return "see its table"
        return "see text" if "state" in factory.__name__ or "cache" in factory.__name__ else "empty"
    value: Any = field.default
    if value is None:
        return "none"
    if isinstance(value, BaseModel):
        return "see its table"
    if isinstance(value, Enum):
        value = value.value
    return f"`{value}`" if value not in ("", ()) else "empty"


def bound(item: object) -> str:
    """Return a bound for people, "" for what is none."""
    for attribute, words in (("ge", "at least"), ("gt", "above"), ("le", "at most"), ("lt", "below")):
        if hasattr(item, attribute):
            return f"{words} {getattr(item, attribute)}"
    return ""


if __name__ == "__main__":
    PATH.write_text(render(), encoding="utf-8")
