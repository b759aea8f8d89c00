"""Bridges of our own, so that another engine's bridge and packet filter stay untouched."""

from engines.ending import COMMAND_TIMEOUT_S
from engines.install import find_program
from engines.privilege import run_as_root

_NUMBERS = range(16, 32)


def make_bridge(prefix: str, network: str) -> str:
    """Make a bridge with the first free number, and return its name; its address is ``network.number.1``.

    Raises:
        RuntimeError: None could be made.
    """
    refusal = ""
    for number in _NUMBERS:
        name, address = f"{prefix}{number}", f"{network}.{number}.1/24"
        made = run_as_root([_ip(), "link", "add", name, "type", "bridge"], timeout_s=COMMAND_TIMEOUT_S)
        if made.returncode != 0:
            refusal = made.stderr.strip()
            continue
        for argv in (["addr", "add", address, "dev", name], ["link", "set", name, "up"]):
            run_as_root([_ip(), *argv], timeout_s=COMMAND_TIMEOUT_S)
        return name
    raise RuntimeError(f"no bridge could be made for the test engine: {refusal}")


def remove_bridge(name: str) -> None:
    """Remove a bridge; one that is absent is fine."""
    run_as_root([_ip(), "link", "delete", name], timeout_s=COMMAND_TIMEOUT_S)


def _ip() -> str:
    return find_program("ip") or "ip"
