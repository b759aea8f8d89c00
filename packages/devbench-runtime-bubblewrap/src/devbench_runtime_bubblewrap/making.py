"""Making the folder of a new container; blocking."""

from __future__ import annotations

import secrets
from datetime import datetime

from devbench_core.contracts.runtime import CreateRequest
from devbench_core.errors import Conflict, NotEnforced, ValidationFailed
from devbench_runtime_bubblewrap.agents import provide_agent
from devbench_runtime_bubblewrap.deletion import discard
from devbench_runtime_bubblewrap.folders import PASSABLE, ContainerFolder, Folders
from devbench_runtime_bubblewrap.identity import HostUser
from devbench_runtime_bubblewrap.images.store import ImageStore
from devbench_runtime_bubblewrap.spec import StoredSpec, dump


def check(request: CreateRequest) -> None:
    """Refuse what bubblewrap cannot do.

    Raises:
        NotEnforced: The root file system is to be writable.
        ValidationFailed: A variable of the environment cannot be passed.
    """
    if not request.policy.read_only_root:
        raise NotEnforced(
            "bubblewrap gives no writable root file system",
            hint="leave policy.read_only_root on: /workspace and /tmp can be written",
            details={"clauses": ["read_only_root"]},
        )
    for name, value in request.env.items():
        if not name or "=" in name or "\0" in name + value:
            raise ValidationFailed("env", f"{name[:100]!r} is no variable that can be passed")


def make_container(
    request: CreateRequest, folders: Folders, images: ImageStore, user: HostUser, now: datetime
) -> str:
    """Make a container's folder, whole or not at all, and return its ref."""
    check(request)
    home = folders.new(request.container_id)
    images.root(request.image.id)
    spec = StoredSpec(
        container_id=request.container_id,
        installation=request.installation,
        image_id=request.image.id,
        agent=provide_agent(folders, request.agent),
        argv=request.agent.argv(stdio=False),
        env=dict(request.env),
        working_dir=request.working_dir,
        policy=request.policy,
        labels=dict(request.labels),
        created_at=now,
    )
    new = ContainerFolder(path=folders.incoming / f"{request.container_id}.{secrets.token_hex(6)}")
    try:
        _fill(new, spec, user)
        _move(new, home)
    finally:
        discard(new.path, folders.trash)
    return request.container_id


def _fill(new: ContainerFolder, spec: StoredSpec, user: HostUser) -> None:
    new.path.mkdir()
    new.path.chmod(PASSABLE)
    for folder in (new.workspace, new.run):
        folder.mkdir(mode=0o700)
        user.own(folder)
    new.spec.touch(mode=0o600)
    new.spec.write_bytes(dump(spec))


def _move(new: ContainerFolder, home: ContainerFolder) -> None:
    try:
        new.path.rename(home.path)
    except OSError as error:
        if not home.path.exists():
            raise
        raise Conflict(
            f"bubblewrap has a container {home.path.name!r} already", hint="list finds it"
        ) from error
