"""Where PostgreSQL is, and how messages name that place."""

from __future__ import annotations

from urllib.parse import parse_qsl, unquote, urlsplit

import attrs

from devbench_core.errors import ConfigurationInvalid
from devbench_core.values import frozen
from devbench_store_sql.settings import SqlSettings

SCHEMES = frozenset({"postgresql", "postgresql+asyncpg", "postgres"})
EXAMPLE = "for example postgresql+asyncpg://devbench@db.example/devbench"
NOT_OURS = frozenset({"command_timeout", "statement_cache_size"})
"""What a URL could say to the driver, and what has settings here."""


@frozen
class Address:
    """A database.

    Attributes:
        dsn: As libpq and the driver read it; it may hold a password.
        shown: Without what must not be shown.
    """

    dsn: str = attrs.field(repr=False)
    shown: str


def address_of(settings: SqlSettings) -> Address:
    """Return the place that the settings name.

    Raises:
        ConfigurationInvalid: It is none.
    """
    text = settings.url.get_secret_value() if settings.url is not None else ""
    scheme, _, rest = text.partition("://")
    try:
        parts = urlsplit(f"postgresql://{rest}")
        query = dict(parse_qsl(parts.query, strict_parsing=True)) if parts.query else {}
        place = _place(parts.hostname or query.get("host", ""), parts.port)
    except ValueError:  # whose text may have a part of the password
        raise ConfigurationInvalid("plugin.sql.url is no URL of PostgreSQL", hint=EXAMPLE) from None
    if "@" in parts.path or parts.fragment:
        raise ConfigurationInvalid(
            "plugin.sql.url: characters like / ? # @ in a password are written %2F %3F %23 %40", hint=EXAMPLE
        )
    database = unquote(parts.path.lstrip("/")) or query.get("database", "") or query.get("dbname", "")
    if scheme not in SCHEMES or not database:
        raise ConfigurationInvalid("plugin.sql.url names no database of PostgreSQL", hint=EXAMPLE)
    if unwanted := sorted(NOT_OURS & query.keys()):
        raise ConfigurationInvalid(
            f"plugin.sql.url: {', '.join(unwanted)} cannot be given there",
            hint="see the settings of the table plugin.sql",
        )
    return Address(dsn=f"postgresql://{rest}", shown=f"{database!r} of PostgreSQL at {place}")


def _place(host: str, port: int | None) -> str:
    return f"{host or 'this machine'}{f':{port}' if port is not None else ''}"
