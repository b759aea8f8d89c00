"""Faults of scanners, seeded into the one for tests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta

import attrs

from devbench_core.contracts.scanner import Finding, ScanReport
from devbench_core.errors import EngineFailed
from devbench_core.model.image import Image
from devbench_core.testing.fake import FakeScanner

FAULTS: dict[str, Callable[[], FakeScanner]] = {}
"""By the sentence that says what is wrong."""


def fault(sentence: str) -> Callable[[type[FakeScanner]], type[FakeScanner]]:
    """Enter a faulty scanner."""

    def enter(cls: type[FakeScanner]) -> type[FakeScanner]:
        FAULTS[sentence] = cls
        return cls

    return enter


class _Changed(FakeScanner):
    """A scanner whose reports are not what it found."""

    def changed(self, report: ScanReport, image: Image) -> ScanReport:
        _ = image
        return report

    async def scan(self, image: Image) -> ScanReport:
        return self.changed(await super().scan(image), image)


@fault("a report names another scanner")
class _Anonymous(_Changed):
    def changed(self, report: ScanReport, image: Image) -> ScanReport:
        return attrs.evolve(report, scanner="trivial")


@fault("a report is of an image's name, which can be given to another image")
class _ByName(_Changed):
    def changed(self, report: ScanReport, image: Image) -> ScanReport:
        return attrs.evolve(report, image_id=image.name)


@fault("the time of a scan is in no time zone")
class _Naive(_Changed):
    def changed(self, report: ScanReport, image: Image) -> ScanReport:
        return attrs.evolve(report, at=report.at.replace(tzinfo=None))


@fault("the time of a scan is in the future")
class _Early(_Changed):
    def changed(self, report: ScanReport, image: Image) -> ScanReport:
        return attrs.evolve(report, at=report.at + timedelta(hours=1))


@fault("a finding has a severity of the scanner's own")
class _OwnWords(_Changed):
    def changed(self, report: ScanReport, image: Image) -> ScanReport:
        return attrs.evolve(report, findings=(Finding(id="CVE-1", severity="HIGH", package="p"),))


@fault("an image that was scanned once is not scanned again")
class _Keeping(FakeScanner):
    def __init__(self) -> None:
        super().__init__()
        self._kept: dict[str, ScanReport] = {}

    async def scan(self, image: Image) -> ScanReport:
        if image.id in self._kept:
            async with self.faults.on("scan"):
                return self._kept[image.id]
        self._kept[image.id] = await super().scan(image)
        return self._kept[image.id]


@fault("a scan that fails gives an empty report")
class _Hopeful(FakeScanner):
    async def scan(self, image: Image) -> ScanReport:
        try:
            return await super().scan(image)
        except EngineFailed:
            return await FakeScanner().scan(image)


@fault("a scan that fails raises what its program raised")
class _Foreign(FakeScanner):
    async def scan(self, image: Image) -> ScanReport:
        try:
            return await super().scan(image)
        except EngineFailed as error:
            raise OSError("exit status 1") from error


@fault("a scanner that failed once fails for ever")
class _Resentful(FakeScanner):
    broken: EngineFailed | None = None

    async def scan(self, image: Image) -> ScanReport:
        if self.broken is not None:
            raise self.broken
        try:
            return await super().scan(image)
        except EngineFailed as error:
            self.broken = error
            raise


@fault("scans at the same time share their image")
class _Mixing(FakeScanner):
    image: Image

    async def scan(self, image: Image) -> ScanReport:
        self.image = image
        await asyncio.sleep(0)
        return await super().scan(self.image)


@fault("a cancelled scan counts as under way for ever")
class _Busy(FakeScanner):
    busy = False

    async def scan(self, image: Image) -> ScanReport:
        if self.busy:
            raise EngineFailed("another scan is under way")
        self.busy = True
        await asyncio.sleep(0)
        self.busy = False
        return await super().scan(image)
