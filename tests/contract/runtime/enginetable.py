"""How the suite reaches a runtime. The table of them is in ``conftest.py``; nothing else knows an engine."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel

from devbench_core.contracts.provider import OpenContext, Provider
from devbench_core.contracts.runtime import Runtime
from devbench_core.model.image import Image


@dataclass(frozen=True, kw_only=True)
class Places:
    """What the fixtures know and an engine may need; asked for only when it is."""

    docker_host: Callable[[], str]
    rootfs_tar: Callable[[str], Path]


@dataclass(frozen=True, kw_only=True)
class EngineUnderTest:
    """How the suite opens a runtime, gets images on it, and sees what is left.

    Attributes:
        provider: As the plugin offers it.
        settings: The plugin's table for the test engine.
        image: Gives one of the test images ``busybox``, ``empty`` and ``debian``.
        leftovers: Everything of an installation that is still there once the runtime was closed.
        absent_image: A name that this runtime's images never have.
    """

    provider: Provider[Runtime]
    settings: Callable[[Places], BaseModel]
    image: Callable[[Runtime, str, Places], Awaitable[Image]]
    leftovers: Callable[[OpenContext, Places], Awaitable[list[str]]]
    absent_image: str
