"""Small files in /etc that are written for each container."""

from __future__ import annotations

from pathlib import Path

RESOLVER = Path("/etc/resolv.conf")
NOBODY = 65534


def network_files(hostname: str, *, resolver: bool) -> dict[str, bytes]:
    """Return what names are resolved by; blocking.

    Args:
        hostname: The container's.
        resolver: Whether the container shares this machine's network and so its name servers.
    """
    hosts = f"127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n127.0.1.1\t{hostname}\n"
    name_servers = RESOLVER.read_bytes() if resolver and RESOLVER.exists() else b""
    return {
        "/etc/hosts": hosts.encode(),
        "/etc/hostname": f"{hostname}\n".encode(),
        "/etc/resolv.conf": name_servers,
    }


def user_files(uid: int, gid: int) -> dict[str, bytes]:
    """Return files that give the container's user a name."""
    users = {
        0: "root:x:0:0:root:/root:/bin/sh",
        NOBODY: "nobody:x:65534:65534:nobody:/nonexistent:/bin/false",
    }
    groups = {0: "root:x:0:", NOBODY: "nogroup:x:65534:"}
    users[uid] = f"{'root' if uid == 0 else 'dev'}:x:{uid}:{gid}:devbench:/workspace:/bin/sh"
    groups.setdefault(gid, f"dev:x:{gid}:")
    return {
        "/etc/passwd": _lines(users),
        "/etc/group": _lines(groups),
        "/etc/nsswitch.conf": b"passwd: files\ngroup: files\nhosts: files dns\n",
    }


def _lines(rows: dict[int, str]) -> bytes:
    return "".join(f"{rows[key]}\n" for key in sorted(rows)).encode()
