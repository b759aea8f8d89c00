"""The system call filter: classic BPF, generated here, loaded by bubblewrap before the agent is executed."""

MACHINES = ("x86_64", "aarch64")
"""Those that there is a filter for, as `platform.machine` names them."""


def supports(machine: str) -> bool:
    """Tell whether there is a filter for a machine (`platform.machine`)."""
    return machine in MACHINES
