"""Bounds of persistent shells."""

from pydantic import BaseModel, ConfigDict, Field

PATTERNS_MAX = 8
"""How many texts or expressions one read of a shell may wait for."""
SHELL_KIND = "shell"
"""The collection of the store that holds shells."""


class ShellLimits(BaseModel):
    """Bounds of persistent shells."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    per_container: int = Field(
        default=3,
        ge=1,
        le=48,
        description="How many shells may be open in one container; each is one of its commands.",
    )
    idle_s: float = Field(
        default=1800.0,
        gt=0,
        le=2_000_000,
        description="A shell of which nothing was asked so long is closed.",
    )
    open_timeout_s: float = Field(
        default=15.0, gt=0, le=600, description="How long a new shell may take until it answers."
    )
    default_timeout_s: float = Field(
        default=600.0, gt=0, le=2_000_000, description="Time limit of a run that names none."
    )
    max_timeout_s: float = Field(
        default=86400.0, gt=0, le=2_000_000, description="The longest time limit that a run may ask for."
    )
    interrupt_grace_s: float = Field(
        default=2.0,
        gt=0,
        le=600,
        description=(
            "When a run is to end: from INT to KILL, from there to KILL for its background jobs too, and from "
            "there to the end of the shell."
        ),
    )
    script_max_bytes: int = Field(
        default=48 * 1024, ge=1, le=60_000, description="Size of one script, as UTF-8."
    )
    input_max_bytes: int = Field(
        default=64 * 1024, ge=1, le=64 * 1024, description="Size of one input to a run's programs."
    )
    input_timeout_s: float = Field(
        default=10.0, gt=0, le=600, description="How long an input waits while the program does not read."
    )
    lookback_bytes: int = Field(
        default=4096,
        ge=64,
        le=64 * 1024,
        description=(
            "How far back a regular expression sees when output comes in pieces: what it matches in at most so many "
            "bytes is found wherever they are cut."
        ),
    )
    runs_kept: int = Field(
        default=16, ge=1, le=1000, description="How many of a shell's newest runs can be asked for."
    )
