"""Bounds of calls that are forwarded to another host."""

from pydantic import BaseModel, ConfigDict, Field

FORWARDED_KIND = "forwarded"
"""The collection of calls that hosts were given."""


class ForwardingLimits(BaseModel):
    """Calls that only one host can serve: input for a command or shell that it follows."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    poll_s: float = Field(
        default=0.08,
        gt=0,
        le=10,
        description="How often a host that follows something with an open input asks the store for calls that others "
        "were given for it, and how often those look for its answer.",
    )
    margin_s: float = Field(
        default=5.0,
        gt=0,
        le=300,
        description="How long beyond a call's own wait another host may take to serve it.",
    )
    at_once: int = Field(
        default=32, ge=1, le=1000, description="Calls of other hosts that one serves at the same time."
    )
