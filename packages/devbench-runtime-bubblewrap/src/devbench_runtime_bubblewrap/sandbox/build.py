"""From a container's spec to the arguments of its bwrap."""

from __future__ import annotations

from pathlib import Path

from devbench_core.contracts.runtime import AGENT_FOLDER, SOCKET_FOLDER
from devbench_core.model.container import WORKSPACE
from devbench_core.model.policy import Network
from devbench_core.values import frozen
from devbench_runtime_bubblewrap.folders import ContainerFolder
from devbench_runtime_bubblewrap.identity import ORDINARY, inside_ids
from devbench_runtime_bubblewrap.program import Program
from devbench_runtime_bubblewrap.sandbox.arguments import Arguments
from devbench_runtime_bubblewrap.sandbox.etc_files import HOSTNAME, HOSTS, name_servers, user_files
from devbench_runtime_bubblewrap.sandbox.host_root import HostRoot, show_host_root
from devbench_runtime_bubblewrap.sandbox.isolation import (
    add_environment,
    add_filters,
    add_isolation,
    add_system_mounts,
)
from devbench_runtime_bubblewrap.sandbox.kept_etc import KeptEtc
from devbench_runtime_bubblewrap.settings import ReadOnlyMount
from devbench_runtime_bubblewrap.spec import StoredSpec


@frozen
class Builder:
    """What is the same for all containers of an open runtime.

    Attributes:
        program: The bwrap.
        host_root: What the image ``host`` shows.
        etc: What it shows as /etc.
        filter_program: The system call filter, None on machines without one.
        mounts: The operator's own read-only mounts.
    """

    program: Program
    host_root: HostRoot
    etc: KeptEtc
    filter_program: bytes | None
    mounts: tuple[ReadOnlyMount, ...] = ()

    def build(
        self, arguments: Arguments, spec: StoredSpec, folder: ContainerFolder, root: Path | None, agent: Path
    ) -> None:
        """Add all arguments for one container; blocking.

        Args:
            arguments: Where to.
            spec: What is wanted.
            folder: Where the container lives.
            root: The image's root file system, None for ``host``.
            agent: The folder with the agent in it.
        """
        ids = inside_ids(spec.policy.user)
        add_isolation(arguments, spec.policy, ids)
        files = {"resolv.conf": name_servers()} if spec.policy.network is Network.ENGINE else {}
        if root is None:
            show_host_root(arguments, self.host_root, self.etc.path())
            for mount in self.mounts:
                arguments.add("--ro-bind", str(mount.source), str(mount.target))
            files |= {} if ids == (ORDINARY, ORDINARY) else user_files(*ids)
        else:
            arguments.add("--ro-bind", str(root), "/")  # the import made sure that all mount points are there
            files |= {"hosts": HOSTS, "hostname": f"{HOSTNAME}\n".encode()}
        for name, data in files.items():
            arguments.add("--perms", "0444", "--ro-bind-data", arguments.content(data), f"/etc/{name}")
        add_system_mounts(arguments, spec.policy, self.program)
        arguments.add("--bind", str(folder.workspace), str(WORKSPACE))
        arguments.add("--bind", str(folder.run), str(SOCKET_FOLDER))
        arguments.add("--ro-bind", str(agent), str(AGENT_FOLDER))
        arguments.add("--remount-ro", "/")
        add_environment(arguments, spec.env)
        add_filters(arguments, spec.policy, self.program, self.filter_program)
        arguments.add("--chdir", str(spec.working_dir))
