"""A newer program: one more step than this one has."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from devbench_store_sql import migrate, upgrade
from devbench_store_sql.postgres import migrate as on_postgres

VERSION = "0004"
STEP = """
import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None
oldest = "{oldest}"


def upgrade():
    op.create_table("extras", sa.Column("name", sa.String(20), primary_key=True))
    op.add_column("records", sa.Column("made_by", sa.String(20), nullable=True))
    op.add_column("logs", sa.Column("sort", sa.String(20), nullable=False, server_default="output"))
"""


def become(patch: pytest.MonkeyPatch, folder: Path, *, oldest: str) -> None:
    """Make this process's code the newer program, whose step allows hosts of a schema and all younger ones."""
    scripts = folder / "migrations"
    shutil.copytree(upgrade.SCRIPTS, scripts)
    (scripts / "versions" / "v0004_more.py").write_text(STEP.format(oldest=oldest))
    patch.setattr(upgrade, "SCRIPTS", scripts)
    for module in (migrate, upgrade, on_postgres):
        patch.setattr(module, "HEAD", VERSION)
