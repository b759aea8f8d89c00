"""What the operator can set."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class FlockSettings(BaseModel):
    """The table ``[plugin.flock]`` of the configuration."""

    model_config = ConfigDict(extra="forbid", frozen=True)
