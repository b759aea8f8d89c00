"""Reading and writing whole files against the engine's archive calls."""

from __future__ import annotations

from performance.measure import Row, Step, in_a_row, interleave
from performance.ours import Mcp, Python
from performance.raw_docker import RawDocker
from performance.setting import Setting

KIB, MIB = 1024, 1024 * 1024
SMALL = {"Python": 0.05, "MCP over HTTP": 0.15}
LARGE = {"Python": 0.25}


async def run(setting: Setting, raw: RawDocker, ours: Python, mcp: Mcp) -> list[Row]:
    """Measure files of 1 KiB, also through MCP and several in a row, and of 1 MiB."""
    rows: list[Row] = []
    for name, contenders in (
        ("write 1 KiB", {**_writers(raw, ours, KIB), "MCP over HTTP": _mcp_write(mcp)}),
        ("read 1 KiB", {**_readers(raw, ours, KIB), "MCP over HTTP": _mcp_read(mcp)}),
    ):
        rows.append(await in_a_row(name, contenders, samples=setting.quick, bounds=SMALL))
        rows.append(await interleave(name, contenders, rounds=setting.quick, bounds=SMALL))
    for name, contenders in (
        ("write 1 MiB", _writers(raw, ours, MIB)),
        ("read 1 MiB", _readers(raw, ours, MIB)),
    ):
        rows.append(await interleave(name, contenders, rounds=setting.quick, bounds=LARGE))
    # apart: what waits for the disk holds up whoever writes next
    for label, size in (("1 KiB", KIB), ("1 MiB", MIB)):
        contenders = _writers(raw, ours, size, durable=True)
        rows.append(await interleave(f"write {label}, durable", contenders, rounds=setting.quick))
    return rows


def _writers(raw: RawDocker, ours: Python, size: int, *, durable: bool = False) -> dict[str, Step]:
    data, name = b"x" * size, f"{size}.bin"

    async def raw_write() -> None:
        await raw.write(name, data)

    async def our_write() -> None:
        await ours.write(name, data, durable=durable)

    return {"raw engine": raw_write, "Python": our_write}


def _readers(raw: RawDocker, ours: Python, size: int) -> dict[str, Step]:
    name = f"{size}.bin"

    async def raw_read() -> None:
        await raw.read(name, size)

    async def our_read() -> None:
        await ours.read(name, size)

    return {"raw engine": raw_read, "Python": our_read}


def _mcp_write(mcp: Mcp) -> Step:
    async def write() -> None:
        await mcp.write("mcp.txt", "x" * KIB)

    return write


def _mcp_read(mcp: Mcp) -> Step:
    async def read() -> None:
        await mcp.read("mcp.txt", KIB)

    return read
