"""Numbers of the few system calls that the filter names, on the machines it knows."""

from __future__ import annotations

from devbench_core.values import frozen
from devbench_runtime_bubblewrap import seccomp

NEWEST_KNOWN = 469
"""The last number that these rules were written for (file_setattr, Linux 6.17; the same on both machines)."""

FORBIDDEN: dict[str, tuple[int | None, int | None]] = {
    "acct": (163, 89),
    "add_key": (248, 217),
    "bpf": (321, 280),
    "chroot": (161, 51),
    "clock_settime": (227, 112),
    "create_module": (174, None),
    "delete_module": (176, 106),
    "fanotify_init": (300, 262),
    "finit_module": (313, 273),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fsopen": (430, 430),
    "fspick": (433, 433),
    "get_kernel_syms": (177, None),
    "get_mempolicy": (239, 236),
    "init_module": (175, 105),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_uring_setup": (425, 425),
    "ioperm": (173, None),
    "iopl": (172, None),
    "kcmp": (312, 272),
    "kexec_file_load": (320, 294),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "listmount": (458, 458),
    "lookup_dcookie": (212, 18),
    "mbind": (237, 235),
    "migrate_pages": (256, 238),
    "mount": (165, 40),
    "mount_setattr": (442, 442),
    "move_mount": (429, 429),
    "move_pages": (279, 239),
    "nfsservctl": (180, 42),
    "open_by_handle_at": (304, 265),
    "open_tree": (428, 428),
    "open_tree_attr": (467, 467),
    "perf_event_open": (298, 241),
    "pidfd_getfd": (438, 438),
    "pivot_root": (155, 41),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "ptrace": (101, 117),
    "query_module": (178, None),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "reboot": (169, 142),
    "request_key": (249, 218),
    "set_mempolicy": (238, 237),
    "set_mempolicy_home_node": (450, 450),
    "setdomainname": (171, 162),
    "sethostname": (170, 161),
    "setns": (308, 268),
    "settimeofday": (164, 170),
    "statmount": (457, 457),
    "swapoff": (168, 225),
    "swapon": (167, 224),
    "_sysctl": (156, None),
    "sysfs": (139, None),
    "syslog": (103, 116),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "uselib": (134, None),
    "userfaultfd": (323, 282),
    "ustat": (136, None),
    "vhangup": (153, 58),
}
"""What no program in a container may call: its number on x86_64 and on aarch64, None where there is none."""


@frozen
class Machine:
    """What the filter must know of a machine.

    Attributes:
        audit: The value of the call data's ``arch`` field (AUDIT_ARCH_…).
        column: The column of `FORBIDDEN`.
        clone: Number of ``clone``; its flags are the first argument on both machines.
        socket: Number of ``socket``.
        ioctl: Number of ``ioctl``.
    """

    audit: int
    column: int
    clone: int
    socket: int
    ioctl: int

    def forbidden(self) -> tuple[int, ...]:
        """Return the numbers of the forbidden calls, rising."""
        return tuple(sorted(n for row in FORBIDDEN.values() if (n := row[self.column]) is not None))


CLONE3 = 435
_KNOWN = (
    Machine(audit=0xC000003E, column=0, clone=56, socket=41, ioctl=16),
    Machine(audit=0xC00000B7, column=1, clone=220, socket=198, ioctl=29),
)
MACHINES: dict[str, Machine] = dict(zip(seccomp.MACHINES, _KNOWN, strict=True))
