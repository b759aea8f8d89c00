"""Running Podman as an ordinary user that this machine does not know.

Podman asks for the user's name and for ranges of subordinate ids. They are written into copies of the machine's files
that only the service's own mount namespace sees, so nothing on this machine changes.
"""

import shlex
from pathlib import Path

from engines.privilege import run_as_root
from harness.ordinary_user import GID, UID

NAME = "devbench-test"
FIRST_ID = 1_000_000
IDS = 65_536
_SEEN = ("passwd", "group", "subuid", "subgid")


def prepare(folder: Path) -> None:
    """Write the files, and give the user what has to be its own."""
    lines = {
        "passwd": f"{NAME}:x:{UID}:{GID}::{folder}/home:/bin/sh",
        "group": f"{NAME}:x:{GID}:",
        "subuid": f"{NAME}:{FIRST_ID}:{IDS}",
        "subgid": f"{NAME}:{FIRST_ID}:{IDS}",
    }
    for name in _SEEN:
        machine = Path("/etc") / name
        known = machine.read_text("utf-8") if machine.exists() else ""
        (folder / name).write_text(f"{known.rstrip()}\n{lines[name]}\n".lstrip(), "utf-8")
    storage = folder / "storage.conf"
    storage.write_text(storage.read_text("utf-8").replace('"overlay"', '"vfs"'), "utf-8")
    own = [folder / name for name in ("home", "user", "root", "run", "tmp")]
    for each in own:
        each.mkdir(mode=0o700, exist_ok=True)
    folder.chmod(0o755)
    run_as_root(["chown", f"{UID}:{GID}", str(folder)], timeout_s=10)
    run_as_root(["chown", "-R", f"{UID}:{GID}", *map(str, own)], timeout_s=10)


def become_ordinary(folder: Path, command: list[str]) -> list[str]:
    """Return the command that runs another as that user, who can be found by its name there."""
    binds = [
        f"[ -e /etc/{name} ] || touch /etc/{name}; mount --bind {shlex.quote(str(folder / name))} /etc/{name}"
        for name in _SEEN
    ]
    demote = ["setpriv", "--reuid", str(UID), "--regid", str(GID), "--clear-groups", "--inh-caps", "-all"]
    script = "; ".join(["set -e", "mount --make-rshared /", *binds, f'exec {shlex.join(demote)} "$@"'])
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", *command]
