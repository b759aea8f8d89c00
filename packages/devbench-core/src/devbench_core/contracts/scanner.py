"""Scanners look into images before they are used."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from devbench_core.model.image import Image
from devbench_core.values import frozen

__all__ = ["SEVERITIES", "Finding", "ScanReport", "Scanner"]

SEVERITIES = ("low", "medium", "high", "critical")


@frozen
class Finding:
    """One vulnerability.

    Attributes:
        id: As the database calls it, for example ``CVE-2026-1234``; never empty.
        severity: One of `SEVERITIES`; what a database rates otherwise is put to the nearest of them.
        package: The package that has it; never empty.
        fixed_version: The first version without it, "" when there is none.
    """

    id: str
    severity: str
    package: str
    fixed_version: str = ""


@frozen
class ScanReport:
    """The result of one scan.

    Attributes:
        image_id: Exactly the id of the image that was asked for.
        scanner: The scanner's name.
        at: When the scan was made, timezone-aware and in UTC, by the clock that the scanner was opened with.
        findings: What was found; empty only when the whole image was looked at and nothing is known of it.
    """

    image_id: str
    scanner: str
    at: datetime
    findings: tuple[Finding, ...] = ()


class Scanner(Protocol):
    """Finds known vulnerabilities.

    Scans may be made concurrently, of one image and of several; each gives the report of its own image. Cancelling a
    scan, or one that failed, leaves the scanner usable.
    """

    @property
    def name(self) -> str:
        """The provider's name."""
        ...

    async def scan(self, image: Image) -> ScanReport:
        """Scan an image that the engine has; a repeat looks again and gives a new report.

        Raises:
            EngineFailed: The scanner could not finish; that is not an empty report.
        """
        ...
