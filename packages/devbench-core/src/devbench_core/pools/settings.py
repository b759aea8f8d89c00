"""Settings of warm pools."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from devbench_core.model.policy import Network

CEILING_MAX = 1000
PoolName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")]


class PoolPolicy(BaseModel):
    """What the spawns that a pool serves ask for, other than the default policy; null keeps the default."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    read_only_root: bool | None = Field(default=None, description="As `policy.read_only_root`.")
    capabilities: tuple[str, ...] | None = Field(default=None, description="As `policy.capabilities`.")
    no_new_privileges: bool | None = Field(default=None, description="As `policy.no_new_privileges`.")
    seccomp: bool | None = Field(default=None, description="As `policy.seccomp`.")
    memory_bytes: int | None = Field(default=None, description="As `policy.memory_bytes`.")
    cpus: float | None = Field(default=None, description="As `policy.cpus`.")
    pids: int | None = Field(default=None, description="As `policy.pids`.")
    network: Network | None = Field(default=None, description="As `policy.network`.")
    user: str | None = Field(default=None, description="As `policy.user`.")
    tmpfs_bytes: int | None = Field(default=None, description="As `policy.tmpfs_bytes`.")
    exec_users: tuple[str, ...] | None = Field(default=None, description="As `policy.exec_users`.")


class WarmPool(BaseModel):
    """One pool: which spawns it serves, and how many containers wait in it."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    image: str = Field(default="", description="Image, as a spawn names it; empty for the default.")
    policy: PoolPolicy = Field(
        default_factory=PoolPolicy.model_construct,
        description="What these spawns ask for, other than the default policy.",
    )
    floor: int = Field(default=1, ge=0, le=CEILING_MAX, description="How many wait at least.")
    ceiling: int = Field(
        default=0,
        ge=0,
        le=CEILING_MAX,
        description="How many there are at most, of all hosts, those being made included; 0 for as many as `floor`. "
        "Between the two it follows how many were asked for lately.",
    )

    @property
    def most(self) -> int:
        """The ceiling, whether or not it was given."""
        return self.ceiling or self.floor

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if 0 < self.ceiling < self.floor:
            raise ValueError("ceiling must be at least floor, or 0")
        return self


class PoolSettings(BaseModel):
    """Warm pools, none by default, and the bounds of keeping them."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    warm: dict[PoolName, WarmPool] = Field(
        default_factory=dict[PoolName, WarmPool], description="The pools, by name."
    )
    parallel: int = Field(default=2, ge=1, le=32, description="How many containers a host makes at once.")
    check_interval_s: float = Field(
        default=5.0,
        gt=0,
        le=3600,
        description="How often a host looks whether what waits is alive and up to date.",
    )
    image_check_s: float = Field(
        default=60.0, gt=0, le=86400, description="How often it is looked up what a pool's image means."
    )
    max_age_s: float = Field(
        default=3600.0, gt=0, le=30 * 86400, description="A container that waited so long is replaced."
    )
    demand_window_s: float = Field(
        default=60.0, gt=0, le=86400, description="How far back spawns count for a pool's size."
    )
    claim_timeout_s: float = Field(
        default=1.0,
        gt=0,
        le=60,
        description="How long a spawn tries to get a waiting container before it makes one of its own.",
    )
    retry_first_s: float = Field(
        default=1.0, gt=0, le=3600, description="Pause after a first failure to fill a pool; it doubles."
    )
    retry_max_s: float = Field(default=300.0, gt=0, le=86400, description="The longest pause after failures.")
