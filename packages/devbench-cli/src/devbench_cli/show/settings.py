"""The configuration as it may be shown: plugins' tables go through their own models, which hide secrets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from devbench_cli.inventory import plugin_reports, providers
from devbench_core.config.settings import Settings

HIDDEN = "**********"
KINDS = ("runtime", "store", "lock", "scanner")


def shown(settings: Settings) -> dict[str, Any]:
    """Return all settings with secrets hidden."""
    values = settings.model_dump(mode="json")
    models = plugin_models(settings)
    values["plugin"] = {
        name: _through(models.get(name), table) for name, table in sorted(settings.plugin.items())
    }
    values["mcp"] = _through(front_end_model(), settings.mcp)
    return values


def plugin_models(settings: Settings | None = None) -> dict[str, type[BaseModel]]:
    """Return the model of each plugin's table, by the provider's name."""
    reports = plugin_reports(settings.plugins if settings else None)
    found = [provider for kind in KINDS for provider in providers(reports, kind)]
    return {provider.name: provider.settings for provider in found}


def front_end_model() -> type[BaseModel] | None:
    """Return the model of the table ``[mcp]``, None when that host is not installed."""
    try:
        from devbench_mcp.settings import McpSettings
    except ImportError:
        return None
    return McpSettings


def check_front_ends(settings: Settings) -> None:
    """Check the tables of installed front ends.

    Raises:
        ConfigurationInvalid: With every fault.
    """
    if front_end_model() is None:
        return
    from devbench_mcp.settings import mcp_settings

    mcp_settings(settings.mcp)


def schema_of_all() -> dict[str, Any]:
    """Return the JSON Schema of the whole configuration."""
    schema = Settings.model_json_schema()
    tables = {name: model.model_json_schema() for name, model in sorted(plugin_models().items())}
    schema["properties"]["plugin"]["properties"] = tables
    front_end = front_end_model()
    if front_end is not None:
        schema["properties"]["mcp"] = front_end.model_json_schema()
    return _references_lifted(schema)


def _references_lifted(schema: dict[str, Any]) -> dict[str, Any]:
    """Move the definitions of embedded schemas to the root, where their references look for them."""
    definitions: dict[str, Any] = schema.setdefault("$defs", {})
    properties = schema["properties"]
    for embedded in (*properties["plugin"]["properties"].values(), properties["mcp"]):
        definitions.update(embedded.pop("$defs", {}))
    return schema


def _through(model: type[BaseModel] | None, table: Mapping[str, Any]) -> dict[str, Any]:
    """Return a table as its model shows it; without a model, or when it is invalid, only its keys."""
    if model is not None:
        try:
            return model.model_validate(table).model_dump(mode="json")
        except ValueError:
            pass
    return dict.fromkeys(table, HIDDEN)
