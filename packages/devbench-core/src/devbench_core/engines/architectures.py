"""Names of processor architectures."""

from __future__ import annotations

ARCHITECTURES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


def architecture(name: object) -> str:
    """Return devbench's name of an architecture; one that is not known keeps its own."""
    return ARCHITECTURES.get(str(name), str(name))
