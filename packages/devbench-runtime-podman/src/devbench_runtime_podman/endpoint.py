"""Which service: settings, then the variables and files that Podman's own tools obey, in their order."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from devbench_core.engines.answers import table
from devbench_core.errors import ConfigurationInvalid
from devbench_core.values import frozen

SYSTEM_SOCKET = "/run/podman/podman.sock"
SYSTEM_CONFIGURATIONS = (
    Path("/usr/share/containers/containers.conf"),
    Path("/etc/containers/containers.conf"),
)
SHOWN_MAX = 200
_REFUSED = {
    "ssh": "devbench opens no SSH connection; forward the socket (ssh -L /tmp/podman.sock:/run/podman/podman.sock "
    "HOST) and name that: unix:///tmp/podman.sock",
    "tcp": "over TCP the service asks for no credentials: whoever reaches it has its power; use its Unix socket",
}


@frozen
class Endpoint:
    """A service's address.

    Attributes:
        socket: Path of its Unix socket.
        source: Where the address came from, for people.
    """

    socket: str
    source: str

    @property
    def address(self) -> str:
        """The address as people write it."""
        return f"unix://{self.socket}"


def find_endpoint(
    host: str | None,
    connection: str | None,
    environ: Mapping[str, str],
    home: Path,
    system: tuple[Path, ...] = SYSTEM_CONFIGURATIONS,
) -> Endpoint:
    """Find the service to talk to. Reads files; call it off the event loop.

    Args:
        host: The setting, if any.
        connection: The setting, if any.
        environ: The variables.
        home: The user's home.
        system: The configuration files of the machine.

    Raises:
        ConfigurationInvalid: The address or the connection that was named cannot be used; says which and why.
    """
    if host:
        return _parse(host, "plugin.podman.host")
    if connection:
        return _named(connection, "plugin.podman.connection", environ, home, system)
    if environ.get("CONTAINER_HOST"):
        return _parse(environ["CONTAINER_HOST"], "CONTAINER_HOST")
    if environ.get("CONTAINER_CONNECTION"):
        return _named(environ["CONTAINER_CONNECTION"], "CONTAINER_CONNECTION", environ, home, system)
    default, connections = _connections(environ, home, system)
    if default in connections:
        return _parse(connections[default], f"connection {default!r}")
    return _usual_socket(environ)


def _parse(url: str, source: str) -> Endpoint:
    scheme, separator, rest = url.partition("://")
    path = "/" + rest.partition("?")[0].lstrip("/")
    if not separator or scheme not in ("unix", "http+unix") or path == "/":
        kind = {"http": "tcp", "https": "tcp", "http+ssh": "ssh"}.get(scheme, scheme)
        raise ConfigurationInvalid(
            f"{source}: {url[:SHOWN_MAX]!r} is no address of a Podman socket",
            hint=_REFUSED.get(kind, f"unix://{SYSTEM_SOCKET}"),
        )
    return Endpoint(socket=path, source=source)


def _named(
    name: str, source: str, environ: Mapping[str, str], home: Path, system: tuple[Path, ...]
) -> Endpoint:
    _, connections = _connections(environ, home, system)
    if name not in connections:
        raise ConfigurationInvalid(
            f"{source} names the connection {name!r}, which does not exist",
            hint="podman system connection list shows those that do",
        )
    return _parse(connections[name], f"connection {name!r} of {source}")


def _connections(
    environ: Mapping[str, str], home: Path, system: tuple[Path, ...]
) -> tuple[str, dict[str, str]]:
    """Return the default connection's name, and the addresses by name; a later file wins."""
    folder = Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "containers"
    own = environ.get("CONTAINERS_CONF")
    files = [Path(own)] if own else [*system, folder / "containers.conf"]
    default, found = "", dict[str, str]()
    for path in files:
        engine = table(_read(path), "engine")
        default = str(engine.get("active_service") or default)
        found |= {
            name: str(table(each).get("uri", ""))
            for name, each in table(engine, "service_destinations").items()
        }
    path = Path(environ.get("PODMAN_CONNECTIONS_CONF") or folder / "podman-connections.json")
    newer = table(_read(path), "Connection")
    default = str(newer.get("Default") or default)
    found |= {name: str(table(each).get("URI", "")) for name, each in table(newer, "Connections").items()}
    return default, found


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text("utf-8")
        return table({"": json.loads(text) if path.suffix == ".json" else tomllib.loads(text)}, "")
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ConfigurationInvalid(
            f"{path} cannot be read: {error}", hint="mend it, or set plugin.podman.host"
        ) from error


def _usual_socket(environ: Mapping[str, str]) -> Endpoint:
    runtime_dir = environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.geteuid()}"
    own = f"{runtime_dir}/podman/podman.sock"
    candidates = [SYSTEM_SOCKET, own] if os.geteuid() == 0 else [own, SYSTEM_SOCKET]
    found = next((path for path in candidates if _may_be_there(path)), candidates[0])
    return Endpoint(socket=found, source="the usual sockets")


def _may_be_there(path: str) -> bool:
    try:
        return Path(path).exists()
    except OSError:
        return False  # root's folder, closed to this user
