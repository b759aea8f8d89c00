"""What an operator can set in the table ``[plugin.bubblewrap]``."""

import os
from pathlib import Path, PurePosixPath

from pydantic import BaseModel, ConfigDict, Field, field_validator

GIBIBYTE = 1024**3
ROOT_FOLDER = Path("/var/lib/devbench-bubblewrap")


class ReadOnlyMount(BaseModel):
    """A file or folder of this machine that every container sees, read-only."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    source: Path = Field(
        description="Absolute path on this machine; as root, `run_as` must be able to reach it."
    )
    target: PurePosixPath = Field(description="Absolute path in the containers; only with the image `host`.")

    @field_validator("source", "target")
    @classmethod
    def _absolute(cls, path: Path | PurePosixPath) -> Path | PurePosixPath:
        if not path.is_absolute() or ".." in path.parts or len(path.parts) == 1:
            raise ValueError("must be an absolute path without '..', and not '/'")
        return path


class BubblewrapSettings(BaseModel):
    """The embedded runtime."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    program: str = Field(default="bwrap", min_length=1, description="The program: a name in PATH, or a path.")
    run_as: int = Field(
        default=65532,
        ge=1,
        le=4_000_000_000,
        description="When devbench runs as root: the user and group of this machine that containers run as.",
    )
    folder: Path | None = Field(
        default=None,
        description=(
            "Where containers live; installations may share it. Default: in the state folder; as root "
            f"`{ROOT_FOLDER}`, because `run_as` must be able to pass."
        ),
    )
    images_folder: Path | None = Field(
        default=None,
        description="Where imported images live. Default: in `folder`.",
    )
    read_only_mounts: tuple[ReadOnlyMount, ...] = Field(
        default=(), description="More of this machine for every container of the image `host`, read-only."
    )
    cgroups: bool = Field(
        default=True,
        description="Whether to look for control groups; without, nothing bounds memory, CPU and pids.",
    )
    image_max_bytes: int = Field(
        default=16 * GIBIBYTE, ge=1, description="Largest root file system that may be imported."
    )
    image_max_entries: int = Field(
        default=2_000_000, ge=1, description="Most files and folders of an imported root file system."
    )
    probe_timeout_s: float = Field(
        default=5.0, gt=0, le=60, description="How long the program may take to tell what it can."
    )
    probe_kept_s: float = Field(
        default=3600.0,
        ge=0,
        le=86400,
        description="How long what it told is believed by the next start, unless it, the user or the kernel's "
        "settings changed; 0 asks at every start.",
    )
    start_timeout_s: float = Field(
        default=10.0, gt=0, le=300, description="From starting a container to its agent's socket."
    )
    connect_timeout_s: float = Field(
        default=5.0, gt=0, le=300, description="How long to try to reach the agent of a running container."
    )
    kill_timeout_s: float = Field(
        default=10.0, gt=0, le=300, description="How long the kernel may take to end killed processes."
    )
    file_threads: int = Field(default=8, ge=1, le=64, description="Threads for work on files.")

    def folder_in(self, state_dir: Path) -> Path:
        """Return the folder that containers live in."""
        if self.folder is not None:
            return self.folder
        return ROOT_FOLDER if os.geteuid() == 0 else state_dir / "bubblewrap"
