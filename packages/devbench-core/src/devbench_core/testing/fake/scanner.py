"""A scanner that finds what a test says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from devbench_core.clock import Clock
from devbench_core.contracts.scanner import Finding, Scanner, ScanReport
from devbench_core.model.image import Image
from devbench_core.testing.fake.clock import FakeClock
from devbench_core.testing.fake.faults import Faults

ScannerCall = Literal["scan"]


class FakeScanner:
    """Findings by the image's name, none for those that a test did not speak of.

    Attributes:
        faults: What happens to its calls, and which were made.
    """

    def __init__(self, clock: FakeClock | None = None) -> None:
        clock = clock or FakeClock()
        self.faults = Faults[ScannerCall](ScannerCall, clock)
        self._clock: Clock = clock
        self._findings: dict[str, tuple[Finding, ...]] = {}

    @property
    def name(self) -> str:
        """``fake``."""
        return "fake"

    def finds(self, image: str, *findings: Finding) -> None:
        """Say what is found in an image from now on."""
        self._findings[image] = findings

    async def scan(self, image: Image) -> ScanReport:
        """Report what a test said."""
        async with self.faults.on("scan", image):
            return ScanReport(
                image_id=image.id,
                scanner=self.name,
                at=self._clock.now(),
                findings=self._findings.get(image.name, ()),
            )


if TYPE_CHECKING:
    _: type[Scanner] = FakeScanner
