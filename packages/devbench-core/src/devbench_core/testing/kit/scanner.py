"""What a scanner promises."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta

import pytest

from devbench_core.contracts.scanner import SEVERITIES, Finding, Scanner, ScanReport
from devbench_core.errors import EngineFailed
from devbench_core.model.image import Image
from devbench_core.testing.kit.clauses import stated_by

__all__ = ["Failing", "ScannerContract"]

DEADLINE_S = 600.0
"""How long one scan may take: the first of a real scanner fetches its database."""
TOGETHER = 3

Failing = Callable[[], AbstractContextManager[None]]
"""Makes a scanner unable to finish for the length of a block."""


async def scan(scanner: Scanner, image: Image) -> ScanReport:
    async with asyncio.timeout(DEADLINE_S):
        return await scanner.scan(image)


@pytest.mark.asyncio
@stated_by(Scanner, Scanner.scan)
class ScannerContract:
    """Everything that a scanner promises.

    Needs the fixtures ``scanner``: open, with the machine's own clock; ``images``: two or more that it can scan, with
    different ids, and best with different findings; and ``failing``, a `Failing`: for example the scanner's program or
    database is away.
    """

    @stated_by((Scanner, "name"), ScanReport)
    async def test_a_report_names_its_scanner(self, scanner: Scanner, images: Sequence[Image]):
        assert scanner.name
        assert (await scan(scanner, images[0])).scanner == scanner.name

    @stated_by(ScanReport)
    async def test_a_report_is_of_exactly_the_image_that_was_asked_for(
        self, scanner: Scanner, images: Sequence[Image]
    ):
        for image in images:
            assert (await scan(scanner, image)).image_id == image.id

    @stated_by(ScanReport)
    async def test_a_report_tells_in_utc_when_the_scan_was_made(
        self, scanner: Scanner, images: Sequence[Image]
    ):
        before = datetime.now(UTC)
        report = await scan(scanner, images[0])
        assert report.at.tzinfo is not None
        assert report.at.utcoffset() == timedelta(0)
        assert before <= report.at <= datetime.now(UTC)

    @stated_by(Finding)
    async def test_every_finding_is_named_and_of_one_of_the_four_severities(
        self, scanner: Scanner, images: Sequence[Image]
    ):
        for image in images:
            for finding in (await scan(scanner, image)).findings:
                assert finding.id
                assert finding.package
                assert finding.severity in SEVERITIES

    async def test_a_repeat_gives_a_new_report(self, scanner: Scanner, images: Sequence[Image]):
        first = await scan(scanner, images[0])
        between = datetime.now(UTC)
        second = await scan(scanner, images[0])
        assert second.at >= between
        assert second.image_id == first.image_id

    async def test_a_scan_that_cannot_finish_fails_and_gives_no_report(
        self, scanner: Scanner, images: Sequence[Image], failing: Failing
    ):
        with failing():
            with pytest.raises(EngineFailed) as caught:
                await scan(scanner, images[0])
            assert caught.value.message

    async def test_a_scan_that_failed_leaves_the_scanner_usable(
        self, scanner: Scanner, images: Sequence[Image], failing: Failing
    ):
        expected = await scan(scanner, images[0])
        with failing(), pytest.raises(EngineFailed):
            await scan(scanner, images[0])
        assert (await scan(scanner, images[0])).findings == expected.findings

    async def test_concurrent_scans_do_not_mix(self, scanner: Scanner, images: Sequence[Image]):
        assert len({image.id for image in images}) >= 2, "give two images with different ids"
        alone = {image.id: set((await scan(scanner, image)).findings) for image in images}
        wanted = [image for image in images for _ in range(TOGETHER)]
        for image, report in zip(
            wanted, await asyncio.gather(*(scan(scanner, image) for image in wanted)), strict=True
        ):
            assert report.image_id == image.id
            assert set(report.findings) == alone[image.id]

    async def test_a_cancelled_scan_leaves_the_scanner_usable(
        self, scanner: Scanner, images: Sequence[Image]
    ):
        expected = await scan(scanner, images[0])
        for yields in range(5):
            task = asyncio.create_task(scan(scanner, images[0]))
            for _ in range(yields):
                await asyncio.sleep(0)
            task.cancel()
            async with asyncio.timeout(DEADLINE_S):
                await asyncio.wait([task])
            assert set((await scan(scanner, images[0])).findings) == set(expected.findings)
