"""The operator's word on isolation: defaults, what a caller may change, and what may be absent."""

from pydantic import BaseModel, ConfigDict, Field, field_validator

from devbench_core.config.roots import checked_roots
from devbench_core.model.policy import EXEC_USERS_MAX, FILE_ROOTS_MAX, MEBIBYTE, Clause, Network, Policy


class PolicySettings(BaseModel):
    """The default policy of a container, and how far a caller may loosen it.

    A caller may always tighten. Loosening (a writable root, more memory than the maximum, a network …) needs
    the operator's word here.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    read_only_root: bool = Field(default=True, description="Nothing but workspace and /tmp can be written.")
    capabilities: tuple[str, ...] = Field(default=(), description="Linux capabilities kept, without CAP_.")
    no_new_privileges: bool = Field(
        default=True, description="No program gains a privilege by being executed."
    )
    seccomp: bool = Field(default=True, description="The runtime's default system call filter is on.")
    memory_bytes: int | None = Field(
        default=512 * MEBIBYTE, ge=16 * MEBIBYTE, description="Memory; null for no bound."
    )
    cpus: float | None = Field(default=1.0, gt=0, description="Processor time in cores; null for no bound.")
    pids: int | None = Field(default=256, ge=8, description="Number of processes; null for no bound.")
    network: Network = Field(
        default=Network.NONE, description="`none`, or `engine` for what the engine gives."
    )
    user: str = Field(
        default="",
        pattern=r"^$|^(0|[1-9][0-9]{0,9})(:(0|[1-9][0-9]{0,9}))?$",
        description="`uid` or `uid:gid`; empty for the runtime's.",
    )
    tmpfs_bytes: int = Field(default=64 * MEBIBYTE, ge=MEBIBYTE, description="Size of /tmp.")

    exec_users: tuple[str, ...] = Field(
        default=(),
        max_length=EXEC_USERS_MAX,
        description="Other users, `uid` or `uid:gid`, that single commands may run as.",
    )

    file_roots: tuple[str, ...] = Field(
        default=(),
        max_length=FILE_ROOTS_MAX,
        description=(
            "Folders beside /workspace, such as /tmp, whose files can be reached by absolute paths. Real folders of "
            "the image, not in each other; callers cannot change this."
        ),
    )

    max_memory_bytes: int | None = Field(
        default=4096 * MEBIBYTE, description="Most memory a caller may ask for; null: any."
    )
    max_cpus: float | None = Field(
        default=8.0, description="Most processor time a caller may ask for; null: any."
    )
    max_pids: int | None = Field(default=4096, description="Most processes a caller may ask for; null: any.")
    max_tmpfs_bytes: int = Field(
        default=1024 * MEBIBYTE, description="Largest /tmp that a caller may ask for."
    )
    max_exec_users: int = Field(
        default=8,
        ge=0,
        le=EXEC_USERS_MAX,
        description="Most other users that a container's commands may run as; 0: none.",
    )
    callers_may_loosen: tuple[Clause, ...] = Field(
        default=(),
        description="Clauses that a caller may switch off. Bounds above may always be moved up to their maximum.",
    )
    tolerate_absent: tuple[Clause, ...] = Field(
        default=(),
        description="Clauses that may be missing where the runtime cannot enforce them; all others refuse the spawn.",
    )

    @field_validator("file_roots")
    @classmethod
    def _roots(cls, roots: tuple[str, ...]) -> tuple[str, ...]:
        return checked_roots(roots)

    def default_policy(self) -> Policy:
        """Return the policy of a spawn that asks for nothing special."""
        return Policy(
            read_only_root=self.read_only_root,
            capabilities=self.capabilities,
            no_new_privileges=self.no_new_privileges,
            seccomp=self.seccomp,
            memory_bytes=self.memory_bytes,
            cpus=self.cpus,
            pids=self.pids,
            network=self.network,
            user=self.user,
            tmpfs_bytes=self.tmpfs_bytes,
            exec_users=self.exec_users,
            file_roots=self.file_roots,
        )
