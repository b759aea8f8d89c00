"""The contracts that plugins fulfil. Each docstring is the specification; a structural check proves the type.

The optional powers of stores are in `devbench_core.contracts.store_powers`: only who looks after a store imports them.
"""

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
