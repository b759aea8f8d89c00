"""Bounds of the channel between a host and the agent of a container."""

from pydantic import BaseModel, ConfigDict, Field

KIB = 1024
MIB = 1024 * KIB


class ChannelLimits(BaseModel):
    """Bounds of the channel to the agent."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    connect_timeout_s: float = Field(
        default=20.0, gt=0, le=600, description="How long opening a channel and its handshake may take."
    )
    request_timeout_s: float = Field(
        default=30.0, gt=0, le=3600, description="How long the agent may take for the next step of a request."
    )
    window_bytes: int = Field(
        default=512 * KIB,
        ge=64 * KIB,
        le=16 * MIB,
        description="Bytes that a stream may be ahead of its reader.",
    )
    queue_bytes: int = Field(
        default=1 * MIB, ge=64 * KIB, le=64 * MIB, description="Bytes waiting to be sent on one channel."
    )
    reopen_first_s: float = Field(
        default=0.05,
        gt=0,
        le=60,
        description="Pause before a channel that was cut is opened again the second time.",
    )
    reopen_max_s: float = Field(
        default=2.0,
        gt=0,
        le=600,
        description="The longest pause between two attempts to open a channel again.",
    )
    reopen_give_up_s: float = Field(
        default=60.0,
        gt=0,
        le=86400,
        description="After this long without a channel the commands that ran on it are recorded as lost.",
    )
