"""Which Host and Origin headers are served: a web page must not reach this host by renaming itself."""

from __future__ import annotations

from collections.abc import Iterable

from devbench_mcp.settings import McpSettings

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")
EVERYWHERE = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared, not bound


class Origins:
    """Decides about headers of requests."""

    def __init__(self, settings: McpSettings, port: int) -> None:
        own = f"[{settings.host}]" if ":" in settings.host else settings.host
        names = [name.lower() for name in settings.allowed_hosts]
        if settings.host not in EVERYWHERE:
            names.append(own.lower())
        if settings.on_loopback or settings.host in EVERYWHERE:
            names.extend(LOOPBACK_NAMES)
        self._hosts = frozenset(with_port for name in names for with_port in _ports(name, port))
        pages = [origin.lower().rstrip("/") for origin in settings.allowed_origins]
        if settings.on_loopback:
            pages.extend(f"http://{name}:{port}" for name in LOOPBACK_NAMES)
        self._origins = frozenset(page.encode() for page in pages)

    def host_allowed(self, hosts: Iterable[bytes]) -> bool:
        """Tell whether the Host header is there exactly once and names this host."""
        given = list(hosts)
        return len(given) == 1 and given[0].lower() in self._hosts

    def origin_allowed(self, origins: Iterable[bytes]) -> bool:
        """Tell whether there is no Origin header (no web page), or only allowed ones."""
        return all(origin.lower() in self._origins for origin in origins)


def _ports(name: str, port: int) -> tuple[bytes, ...]:
    """Return the forms of a name in a Host header; one with a port of its own stands as it is."""
    _, colon, tail = name.rpartition(":")
    if colon and tail.isdigit() and not name.endswith("]"):
        return (name.encode(),)
    return (f"{name}:{port}".encode(), name.encode())
