"""Scanners look into images before they are used."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

import attrs

from devbench_core.model.image import Image


@attrs.frozen(kw_only=True)
class Finding:
    """One vulnerability: its id, ``severity`` (low, medium, high, critical), package and fixed version."""

    id: str
    severity: str
    package: str
    fixed_version: str = ""


@attrs.frozen(kw_only=True)
class ScanReport:
    """The result of one scan, of exactly this image id, at this time (UTC)."""

    image_id: str
    scanner: str
    at: datetime
    findings: tuple[Finding, ...] = ()


class Scanner(Protocol):
    """Finds known vulnerabilities."""

    @property
    def name(self) -> str:
        """The provider's name."""
        ...

    async def scan(self, image: Image) -> ScanReport:
        """Scan an image that the engine has; a repeat gives a new report.

        Raises:
            EngineFailed: The scanner could not finish; that is not an empty report.
        """
        ...
