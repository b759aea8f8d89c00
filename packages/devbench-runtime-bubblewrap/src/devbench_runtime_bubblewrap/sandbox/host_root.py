"""The image ``host``: this machine's own programs, read-only, and an /etc with nothing secret in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import attrs

from devbench_runtime_bubblewrap.sandbox.arguments import Arguments

TOP_FOLDERS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
ETC_SHOWN = (
    "alternatives", "bash.bashrc", "ca-certificates", "crypto-policies", "debian_version", "fonts", "gai.conf",
    "host.conf", "inputrc", "java-*", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "locale.alias", "localtime",
    "lsb-release", "magic", "magic.mime", "mime.types", "os-release", "perl", "pki/ca-trust/extracted",
    "pki/tls/certs", "protocols", "python3*", "rpc", "services", "shells", "ssl/certs", "ssl/openssl.cnf",
    "terminfo", "timezone",
)  # fmt: skip
"""What programs need of /etc and everybody may know; patterns of pathlib."""


@attrs.frozen(kw_only=True)
class HostRoot:
    """What of this machine is shown, found once.

    Attributes:
        mounts: Files and folders, each shown read-only at its own path.
        links: Symbolic links at the top, name and target.
    """

    mounts: tuple[Path, ...]
    links: tuple[tuple[str, str], ...]


def find_host_root() -> HostRoot:
    """Look at this machine; blocking."""
    return HostRoot(mounts=(Path("/usr"), *_top_mounts(), *_etc_mounts()), links=tuple(_top_links()))


def _top_mounts() -> Iterator[Path]:
    for name in TOP_FOLDERS:
        path = Path("/") / name
        if path.is_dir() and not path.is_symlink():
            yield path


def _top_links() -> Iterator[tuple[str, str]]:
    for name in TOP_FOLDERS:
        path = Path("/") / name
        if path.is_symlink():
            yield f"/{name}", str(path.readlink())


def _etc_mounts() -> Iterator[Path]:
    for pattern in ETC_SHOWN:
        yield from sorted(path for path in Path("/etc").glob(pattern) if path.exists())


def show_host_root(arguments: Arguments, root: HostRoot, files: dict[str, bytes]) -> None:
    """Add the mounts of the image ``host`` and the generated files (absolute path to content)."""
    for path in root.mounts:
        arguments.add("--ro-bind-try", str(path), str(path))
    for name, target in root.links:
        arguments.add("--symlink", target, name)
    for folder in ("/var", "/run", "/home", "/opt"):
        arguments.add("--dir", folder)
    arguments.add("--symlink", "/tmp", "/var/tmp", "--symlink", "/run", "/var/run")  # noqa: S108  (in the container)
    for path, data in files.items():
        arguments.add("--perms", "0444", "--file", arguments.content(data), path)
