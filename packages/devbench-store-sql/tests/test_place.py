"""Where the database lies, as its URL tells."""

from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import make_url

from devbench_core.contracts.store import Put
from devbench_core.errors import ConfigurationInvalid
from devbench_store_sql.opening import opened
from devbench_store_sql.place import file_of
from devbench_store_sql.settings import SqlSettings


def place(url: str) -> Path:
    return file_of(SqlSettings(url=SecretStr(url)), Path("/nonexistent"))


@pytest.mark.parametrize(
    "url",
    [
        "sqlite+aiosqlite:////srv/my%20state/devbench.db",
        "sqlite+aiosqlite:////srv/my state/devbench.db",
        "sqlite:////srv/100%25/what%3F/%C3%A4+b.db",
        "sqlite:////srv/100%/not%zz/%ff.db",
        "sqlite:///relative%2Fdevbench.db",
        "sqlite://user:secret@host:1/devbench%20.db",
    ],
)
def test_a_url_names_the_file_that_it_names_to_sqlalchemy(url: str):
    assert place(url) == Path(make_url(url).database or "")


@pytest.mark.parametrize("database", ["%3Amemory%3A", "%66ile:x", "/srv/%00.db"])
def test_what_is_no_file_is_refused_however_it_is_written(database: str):
    with pytest.raises(ConfigurationInvalid, match=r"plugin\.sql\.url"):
        place(f"sqlite:///{database}")


async def test_a_folder_whose_name_has_a_space_is_written_into(tmp_path: Path):
    url = f"sqlite+aiosqlite:///{tmp_path}/my%20state/devbench.db"
    async with opened(SqlSettings(url=SecretStr(url)), Path("/nonexistent")) as store:
        await store.apply(Put(kind="k", key="a", data={}))
    assert (tmp_path / "my state" / "devbench.db").exists()
