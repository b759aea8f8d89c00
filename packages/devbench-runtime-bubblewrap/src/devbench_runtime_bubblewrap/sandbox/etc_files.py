"""Small files in /etc that devbench writes itself."""

from __future__ import annotations

from pathlib import Path

from devbench_runtime_bubblewrap.identity import ORDINARY

HOSTNAME = "devbench"
"""The same in every container, so that /etc can be the same, too."""

RESOLVER = Path("/etc/resolv.conf")
NOBODY = 65534
HOSTS = f"127.0.0.1\tlocalhost {HOSTNAME}\n::1\tlocalhost ip6-localhost ip6-loopback\n".encode()


def own_files() -> dict[str, bytes]:
    """Return the files that every container of the image ``host`` has, beside the machine's own."""
    return {
        "hosts": HOSTS,
        "hostname": f"{HOSTNAME}\n".encode(),
        "resolv.conf": b"",
        "nsswitch.conf": b"passwd: files\ngroup: files\nhosts: files dns\n",
        **user_files(ORDINARY, ORDINARY),
    }


def name_servers() -> bytes:
    """Return this machine's resolver configuration, for containers that share its network; blocking."""
    try:
        return RESOLVER.read_bytes()
    except OSError:
        return b""


def user_files(uid: int, gid: int) -> dict[str, bytes]:
    """Return files that give a container's user a name."""
    users = {
        0: "root:x:0:0:root:/root:/bin/sh",
        NOBODY: "nobody:x:65534:65534:nobody:/nonexistent:/bin/false",
    }
    groups = {0: "root:x:0:", NOBODY: "nogroup:x:65534:"}
    users[uid] = f"{'root' if uid == 0 else 'dev'}:x:{uid}:{gid}:devbench:/workspace:/bin/sh"
    groups.setdefault(gid, f"dev:x:{gid}:")
    return {"passwd": _lines(users), "group": _lines(groups)}


def _lines(rows: dict[int, str]) -> bytes:
    return "".join(f"{rows[key]}\n" for key in sorted(rows)).encode()
