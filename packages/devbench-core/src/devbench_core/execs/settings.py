"""Bounds of commands and of their output."""

from pydantic import BaseModel, ConfigDict, Field

KIB = 1024
MIB = 1024 * KIB


class ExecLimits(BaseModel):
    """Bounds of commands and their output."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    concurrent_per_container: int = Field(
        default=4, ge=1, le=48, description="How many commands may run in one container at once."
    )
    concurrent_per_host: int = Field(
        default=256,
        ge=1,
        le=100_000,
        description="How many commands this host may run at once in all containers.",
    )
    queue_per_container: int = Field(
        default=64,
        ge=0,
        le=10_000,
        description="How many commands may wait for one container's others to end.",
    )
    queue_max_wait_s: float = Field(
        default=300.0,
        ge=0,
        le=86400,
        description="The longest time that a program may let a command wait; tools take at most a minute.",
    )
    slot_look_s: float = Field(
        default=0.2,
        gt=0,
        le=60,
        description="How often a start that waits looks for a slot that commands of other hosts hold.",
    )
    idempotency_ttl_s: float = Field(
        default=86400.0, gt=0, description="How long an idempotency key of a command is remembered."
    )
    default_timeout_s: float | None = Field(
        default=600.0, gt=0, description="Time limit of a command that names none; null for no limit."
    )
    terminal_timeout_s: float | None = Field(
        default=86400.0,
        gt=0,
        description="Time limit of a command at a terminal that names none; null for no limit.",
    )
    max_timeout_s: float = Field(
        default=86400.0, gt=0, le=2_000_000, description="The longest time limit that a caller may ask for."
    )
    grace_s: float = Field(
        default=2.0, ge=0, le=600, description="From TERM to KILL when a command times out or is cancelled."
    )
    cancel_timeout_s: float = Field(
        default=15.0, gt=0, le=600, description="Beyond the grace: how long a cancel waits for the ending."
    )
    argv_max_bytes: int = Field(
        default=1 * MIB, ge=1, le=1 * MIB, description="Size of the arguments of a command, all together."
    )
    env_max_bytes: int = Field(
        default=1 * MIB, ge=0, le=1 * MIB, description="Size of the environment given with a command."
    )
    stdin_max_bytes: int = Field(
        default=16 * MIB, ge=0, description="Size of the input given with a command."
    )
    poll_max_bytes: int = Field(
        default=512 * KIB, ge=64 * KIB, le=4 * MIB, description="The most output that one poll returns."
    )
    poll_max_wait_s: float = Field(
        default=60.0, ge=0, le=3600, description="How long one poll or wait may wait."
    )
    journal_memory_bytes: int = Field(
        default=1 * MIB,
        ge=64 * KIB,
        le=256 * MIB,
        description="Recent output that is kept in memory for each command.",
    )
    journal_batch_bytes: int = Field(
        default=256 * KIB, ge=4 * KIB, le=4 * MIB, description="Output written to the store in one step."
    )
    journal_flush_s: float = Field(
        default=0.01,
        ge=0,
        le=10,
        description="How long output is gathered before it is written to the store.",
    )
    spool_bytes: int = Field(
        default=1 * MIB,
        ge=64 * KIB,
        le=4 * MIB,
        description="Output that the agent keeps for each command until the host has it safely.",
    )
    ended_memory: int = Field(
        default=256,
        ge=0,
        le=100_000,
        description="How many ended commands are kept in memory for quick answers.",
    )
    ended_memory_bytes: int = Field(
        default=16 * MIB,
        ge=0,
        description="Output of ended commands that is kept in memory for quick answers.",
    )
    retain_s: float = Field(
        default=7 * 86400.0,
        ge=60,
        description="How long the record and the output of an ended command are kept, while its container's is.",
    )
    retain_per_container: int = Field(
        default=1000,
        ge=1,
        le=1_000_000,
        description="How many ended commands of one container are kept; of more, the oldest are purged.",
    )
    purged_retain_s: float = Field(
        default=7 * 86400.0, ge=0, description="How long it is known that a command was purged."
    )
    purged_per_container: int = Field(
        default=10_000,
        ge=0,
        le=1_000_000,
        description="Of how many purged commands of one container that is known.",
    )
