"""What the address of a PostgreSQL database may be, and what is said of a wrong one."""

from __future__ import annotations

import pytest

from devbench_core.errors import ConfigurationInvalid
from devbench_store_sql.postgres.address import address_of
from devbench_store_sql.settings import SqlSettings


def of(url: str) -> SqlSettings:
    return SqlSettings.model_validate({"url": url})


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql+asyncpg://me:secret@db.example:5433/bench", "'bench' of PostgreSQL at db.example:5433"),
        ("postgresql://me:secret@db.example/bench", "'bench' of PostgreSQL at db.example"),
        ("postgres:///bench?host=/run/postgresql", "'bench' of PostgreSQL at /run/postgresql"),
        ("postgresql+asyncpg://me@/bench%20two", "'bench two' of PostgreSQL at this machine"),
    ],
)
def test_an_address_is_shown_without_its_password(url: str, shown: str):
    address = address_of(of(url))
    assert address.shown == shown
    assert "secret" not in repr(address)
    assert address.dsn == url.replace("+asyncpg", "").replace("postgres://", "postgresql://")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+asyncpg://me:secret@db.example",
        "postgresql+psycopg://me:secret@db.example/bench",
        "postgresql://me:secret@db.example:port/bench",
        "postgresql://me:secret@db.example/bench?command_timeout=0",
        "postgresql://me:12/secret@db.example/bench",
        "postgresql://me:12#secret@db.example/bench",
        "postgresql://me:secret/12@db.example/bench",
    ],
)
def test_an_address_that_is_none_is_refused_without_showing_its_password(url: str):
    with pytest.raises(ConfigurationInvalid, match=r"plugin\.sql\.url") as refused:
        address_of(of(url))
    assert "secret" not in str(refused.value)
    assert refused.value.hint
