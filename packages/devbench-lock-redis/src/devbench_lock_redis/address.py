"""Where the server is, read from the settings without ever repeating what is secret in them."""

from __future__ import annotations

from typing import NoReturn
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

import attrs

from devbench_core.errors import ConfigurationInvalid
from devbench_core.values import frozen
from devbench_lock_redis.settings import RedisSettings

PORT = 6379
DEFAULT_URL = "redis://localhost:6379/0"
EXAMPLE = "for example redis://localhost:6379/0, rediss://redis.example.org, or unix:///run/redis/redis.sock"
SCHEMES = ("redis", "rediss", "unix")


@frozen
class Address:
    """A server and who we are there.

    Attributes:
        host: Its name, "" with a socket.
        port: Its port.
        path: The path of its Unix socket, "" with a host.
        tls: Whether to speak TLS.
        db: The number of the database.
        username: User of the ACL, None for the default one.
        password: Its password, never shown.
    """

    host: str = ""
    port: int = PORT
    path: str = ""
    tls: bool = False
    db: int = 0
    username: str | None = None
    password: str | None = attrs.field(default=None, repr=False)

    def __str__(self) -> str:
        """Name the server, without who we are."""
        return self.path or f"{self.host}:{self.port}"


def address_of(settings: RedisSettings) -> Address:
    """Read the URL.

    Raises:
        ConfigurationInvalid: It is none, or of a kind that is not supported. What it holds is not repeated.
    """
    try:
        url = urlsplit(settings.url.get_secret_value() if settings.url else DEFAULT_URL)
        port = url.port or PORT
    except ValueError:
        _refuse("is no URL; write what is reserved in a user or a password percent-encoded")
    if url.scheme not in SCHEMES:
        _refuse("must begin with redis://, rediss:// or unix://")
    if url.fragment:
        _refuse("has a `#`; write it as %23")
    username = settings.username or unquote(url.username or "") or None
    secret = settings.password
    password = secret.get_secret_value() if secret else unquote(url.password or "") or None
    if url.scheme == "unix":
        if not url.path or url.hostname:
            _refuse("must have a path after unix://")
        path, db = unquote(url.path), _db(_only_db(url))
        return Address(path=path, db=db, username=username, password=password)
    if not url.hostname or url.query:
        _refuse("must have a host and no query")
    return Address(
        host=url.hostname,
        port=port,
        tls=url.scheme == "rediss",
        db=_db(url.path.strip("/")),
        username=username,
        password=password,
    )


def _only_db(url: SplitResult) -> str:
    query = dict(parse_qsl(url.query, keep_blank_values=True))
    if set(query) - {"db"}:
        _refuse("may have no parameter but db")
    return query.get("db", "")


def _db(text: str) -> int:
    if not text:
        return 0
    if not (text.isascii() and text.isdigit()):
        _refuse("must end in the number of a database, or in none")
    return int(text)


def _refuse(problem: str) -> NoReturn:
    raise ConfigurationInvalid(f"plugin.redis.url {problem}", hint=EXAMPLE) from None
