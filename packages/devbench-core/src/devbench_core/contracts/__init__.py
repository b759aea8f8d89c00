"""The contracts that plugins fulfil. Each docstring is the specification; a structural check proves the type.

The optional powers of stores are in `devbench_core.contracts.store_powers`: only who looks after a store imports them.

Each is imported when it is first asked for: who needs one contract does not load the others.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from devbench_core.contracts.lock import Lease, Lock
    from devbench_core.contracts.powers import (
        StartedGuest,
        SupportsCommit,
        SupportsPause,
        SupportsPull,
        SupportsStats,
        SupportsUsers,
    )
    from devbench_core.contracts.process import Process
    from devbench_core.contracts.provider import Diagnosis, OpenContext, Provider, Remedy
    from devbench_core.contracts.runtime import AgentProgram, CreateRequest, EngineInfo, Runtime
    from devbench_core.contracts.scanner import Finding, Scanner, ScanReport
    from devbench_core.contracts.store import LogEntry, Put, Record, RecordPage, Remove, Store
    from devbench_core.contracts.stream import ByteStream

__all__ = [
    "AgentProgram",
    "ByteStream",
    "CreateRequest",
    "Diagnosis",
    "EngineInfo",
    "Finding",
    "Lease",
    "Lock",
    "LogEntry",
    "OpenContext",
    "Process",
    "Provider",
    "Put",
    "Record",
    "RecordPage",
    "Remedy",
    "Remove",
    "Runtime",
    "ScanReport",
    "Scanner",
    "StartedGuest",
    "Store",
    "SupportsCommit",
    "SupportsPause",
    "SupportsPull",
    "SupportsStats",
    "SupportsUsers",
]

_PLACES = {
    "AgentProgram": "runtime",
    "ByteStream": "stream",
    "CreateRequest": "runtime",
    "Diagnosis": "provider",
    "EngineInfo": "runtime",
    "Finding": "scanner",
    "Lease": "lock",
    "Lock": "lock",
    "LogEntry": "store",
    "OpenContext": "provider",
    "Process": "process",
    "Provider": "provider",
    "Put": "store",
    "Record": "store",
    "RecordPage": "store",
    "Remedy": "provider",
    "Remove": "store",
    "Runtime": "runtime",
    "ScanReport": "scanner",
    "Scanner": "scanner",
    "StartedGuest": "powers",
    "Store": "store",
    "SupportsCommit": "powers",
    "SupportsPause": "powers",
    "SupportsPull": "powers",
    "SupportsStats": "powers",
    "SupportsUsers": "powers",
}


def __getattr__(name: str) -> object:
    place = _PLACES.get(name)
    if place is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{place}"), name)
