"""Which engine: settings, then the variables and files that the Docker client obeys, in its order."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from devbench_core.errors import ConfigurationInvalid
from devbench_core.values import frozen
from devbench_runtime_docker.settings import DockerSettings

DEFAULT_SOCKETS = ("/run/docker.sock", "/var/run/docker.sock")
DEFAULT_CONTEXT = "default"
SCHEMES = ("unix", "tcp", "http", "https")
PLAIN_PORT = 2375
TLS_PORT = 2376


@frozen
class TlsFiles:
    """PEM files of a TLS connection; ``verify`` off accepts any certificate of the engine."""

    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    verify: bool = True


@frozen
class Endpoint:
    """An engine's address.

    Attributes:
        socket: Path of its Unix socket, "" when it is reached by TCP.
        host: Name or address, "" for a Unix socket.
        port: TCP port, 0 for a Unix socket.
        tls: None for a connection in the clear.
        source: Where the address came from, for people.
    """

    socket: str = ""
    host: str = ""
    port: int = 0
    tls: TlsFiles | None = None
    source: str

    @property
    def address(self) -> str:
        """The address as people write it."""
        return f"unix://{self.socket}" if self.socket else f"tcp://{self.host}:{self.port}"


def find_endpoint(settings: DockerSettings, environ: Mapping[str, str], home: Path) -> Endpoint:
    """Find the engine to talk to. Reads files; call it off the event loop.

    Raises:
        ConfigurationInvalid: The address or the context that was named cannot be used; says which and why.
    """
    folder = Path(environ.get("DOCKER_CONFIG") or home / ".docker")
    if settings.host:
        return _parse(settings.host, _settings_tls(settings), "plugin.docker.host")
    if settings.context:
        return _from_context(settings.context, folder, environ, home, "plugin.docker.context")
    if environ.get("DOCKER_HOST"):
        return _parse(environ["DOCKER_HOST"], _environment_tls(environ, folder), "DOCKER_HOST")
    if environ.get("DOCKER_CONTEXT"):
        return _from_context(environ["DOCKER_CONTEXT"], folder, environ, home, "DOCKER_CONTEXT")
    current = _current_context(folder)
    if current:
        return _from_context(current, folder, environ, home, str(folder / "config.json"))
    return _usual_socket(environ, home)


def _parse(url: str, tls: TlsFiles | None, source: str) -> Endpoint:
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in SCHEMES or not rest:
        hint = "forward its socket (ssh -L /tmp/docker.sock:/run/docker.sock HOST) and name that"
        raise ConfigurationInvalid(
            f"{source}: {url[:200]!r} is no address of an engine",
            hint=hint if scheme == "ssh" else "unix:///run/docker.sock or tcp://host:2376",
        )
    if scheme == "unix":
        return Endpoint(socket="/" + rest.lstrip("/"), source=source)
    if scheme == "https" and tls is None:
        tls = TlsFiles()
    host, port = _host_and_port(rest.split("/")[0], url, source)
    return Endpoint(host=host, port=port or (TLS_PORT if tls else PLAIN_PORT), tls=tls, source=source)


def _host_and_port(text: str, url: str, source: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        host, port = text, "0"
    if not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ConfigurationInvalid(f"{source}: {url[:200]!r} has no usable host and port")
    return host.strip("[]"), int(port)


def _settings_tls(settings: DockerSettings) -> TlsFiles | None:
    if not (settings.tls_ca or settings.tls_cert or settings.tls_key):
        return None
    return TlsFiles(
        ca=settings.tls_ca, cert=settings.tls_cert, key=settings.tls_key, verify=settings.tls_verify
    )


def _environment_tls(environ: Mapping[str, str], folder: Path) -> TlsFiles | None:
    if not environ.get("DOCKER_TLS_VERIFY"):
        return None
    return _folder_tls(Path(environ.get("DOCKER_CERT_PATH") or folder), verify=True)


def _folder_tls(folder: Path, *, verify: bool) -> TlsFiles | None:
    files = {name: folder / f"{name}.pem" for name in ("ca", "cert", "key")}
    there = {name: path if path.exists() else None for name, path in files.items()}
    return TlsFiles(ca=there["ca"], cert=there["cert"], key=there["key"], verify=verify)


def _current_context(folder: Path) -> str:
    try:
        config: object = json.loads((folder / "config.json").read_text("utf-8"))
    except FileNotFoundError:
        return ""
    except (OSError, ValueError) as error:
        raise ConfigurationInvalid(
            f"{folder / 'config.json'} cannot be read: {error}",
            hint="mend it, or set plugin.docker.host",
        ) from error
    name = cast("dict[str, Any]", config).get("currentContext") if isinstance(config, dict) else None
    return name if isinstance(name, str) else ""


def _from_context(name: str, folder: Path, environ: Mapping[str, str], home: Path, source: str) -> Endpoint:
    if name == DEFAULT_CONTEXT:
        return _usual_socket(environ, home)
    key = hashlib.sha256(name.encode()).hexdigest()
    path = folder / "contexts" / "meta" / key / "meta.json"
    try:
        endpoint: dict[str, Any] = json.loads(path.read_text("utf-8"))["Endpoints"]["docker"]
        host = str(endpoint["Host"])
    except FileNotFoundError as error:
        raise ConfigurationInvalid(
            f"{source} names the Docker context {name!r}, which does not exist",
            hint="docker context ls lists those that do",
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationInvalid(f"the Docker context {name!r} is damaged: {path}: {error!r}") from error
    return _parse(host, _context_tls(folder, key, endpoint), f"context {name!r} of {source}")


def _context_tls(folder: Path, key: str, endpoint: Mapping[str, Any]) -> TlsFiles | None:
    skip = bool(endpoint.get("SkipTLSVerify"))
    found = _folder_tls(folder / "contexts" / "tls" / key / "docker", verify=not skip)
    return found if found and (found.ca or found.cert or skip) else None


def _usual_socket(environ: Mapping[str, str], home: Path) -> Endpoint:
    runtime_dir = environ.get("XDG_RUNTIME_DIR")
    rootless = [f"{runtime_dir}/docker.sock"] if runtime_dir else []
    candidates = [*DEFAULT_SOCKETS, *rootless, str(home / ".docker" / "run" / "docker.sock")]
    found = next((path for path in candidates if Path(path).exists()), candidates[0])
    return Endpoint(socket=found, source="the usual sockets")
