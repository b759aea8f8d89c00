"""Tests on a kernel whose control groups are version 2 and nothing else, booted in a virtual machine.

``nox -s cgroup2`` is the usual caller. The kernel is the distribution's own package, unpacked and never installed; the
machine's root is this machine's, read-only beneath a layer that is thrown away.
"""
