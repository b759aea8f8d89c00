"""The copy of /etc that this host's containers see: looked for, or made, when the first of them starts."""

from __future__ import annotations

from pathlib import Path

from devbench_runtime_bubblewrap.folders import Folders


class KeptEtc:
    """The copy as it was when it was first asked for; made again should another host have swept it. Blocking."""

    def __init__(self, folders: Folders) -> None:
        self._folders = folders
        self._home: Path | None = None

    def path(self) -> Path:
        """Return the copy's folder, which is there."""
        if self._home is None or not self._home.is_dir():
            from devbench_runtime_bubblewrap.sandbox.host_etc import provide_etc

            self._home = provide_etc(self._folders)
        return self._home

    def sweep(self) -> None:
        """Remove copies of an earlier /etc, if there are any; only where no container can have them mounted."""
        if len([*self._folders.etc.iterdir()]) > 1:  # else what is there may be the present one
            from devbench_runtime_bubblewrap.sandbox.host_etc import sweep_etc

            sweep_etc(self._folders, self.path())
