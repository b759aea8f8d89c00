"""Podman, as the rooms that all engines share ask for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any

from devbench_core.engines.answers import EngineAnswer
from devbench_core.engines.calls import EngineCalls, Found
from devbench_core.engines.http_calls import HttpCalls, filters, found, kept, with_labels
from devbench_core.engines.names import LABEL_ROLE, ROLE_HELPER
from devbench_core.engines.observe import KILLED_EXIT_CODE
from devbench_core.engines.users import User
from devbench_core.errors import DevbenchError
from devbench_runtime_podman.failures import CONFLICT, translate
from devbench_runtime_podman.memory import killed_for_memory
from devbench_runtime_podman.settings import PodmanSettings

ROOT = User(0, 0)
VOLUME_WENT = ("no such volume", "volume has already been removed")
"""What Podman says of one that went between two of its own looks, with 500 instead of 404."""


class PodmanCalls(HttpCalls[PodmanSettings]):
    """One service as `EngineCalls`."""

    table = "podman"
    is_local = True

    def translate(self, answer: EngineAnswer, doing: str, *, ref: str = "", image: str = "") -> DevbenchError:
        """Return the error for an answer."""
        return translate(answer, doing, ref=ref, image=image)

    async def show(self, container: str) -> dict[str, Any]:
        """Inspect a container; whether it was killed for its memory is asked of the kernel."""
        shown = await super().show(container)
        state = shown["State"]
        if state.get("ExitCode") == KILLED_EXIT_CODE and not state.get("OOMKilled"):
            state["OOMKilled"] = await asyncio.to_thread(killed_for_memory, str(shown["Id"]))
        return shown

    async def volume(self, name: str) -> Found:
        """Inspect a volume."""
        return found(await self._http.call("GET", f"volumes/{name}/json", doing="look at a volume"), "Name")

    async def make_volume(
        self,
        name: str,
        labels: Mapping[str, str],
        *,
        owner: User = ROOT,
        options: Mapping[str, str] | None = None,
    ) -> Found:
        """Create a volume that belongs to a user from its beginning, or return the one that is there.

        Without an owner Podman would give it to the user of the first container that has it.
        """
        ours = f"uid={owner.uid},gid={owner.gid}"
        given = {"o": ours} if options is None else {**options, "o": f"{options['o']},{ours}"}
        body = {"Name": name, "Label": dict(labels), "Options": given}
        try:
            made = await self._http.call("POST", "volumes/create", doing="make a volume", body=body)
        except EngineAnswer as answer:
            if answer.status != CONFLICT:
                raise
            return await self.volume(name)
        return found(made, "Name")

    async def remove_volume(self, name: str) -> None:
        """Remove a volume; one that another call removed while Podman looked is as absent as others."""
        try:
            await super().remove_volume(name)
        except EngineAnswer as answer:
            if answer.status == 500 and any(words in answer.message for words in VOLUME_WENT):
                raise EngineAnswer(404, answer.message) from answer
            raise

    async def volumes(self, labels: Mapping[str, str]) -> list[Found]:
        """List volumes."""
        listed = await self._http.call("GET", "volumes/json", doing="list volumes", params=filters(labels))
        return with_labels([found(each, "Name") for each in listed or ()], labels)

    def helper(
        self,
        image_id: str,
        volume: str,
        target: str,
        labels: Mapping[str, str],
        *,
        name: str,
        remove: Callable[[str], Awaitable[None]],
    ) -> AbstractAsyncContextManager[str]:
        """Make a helper container."""
        body: dict[str, Any] = {
            "name": name,
            "image": image_id,
            "entrypoint": ["/never-started"],
            "labels": {**labels, LABEL_ROLE: ROLE_HELPER},
            "volumes": [{"Name": volume, "Dest": target, "Options": ["nocopy"]}],
            "image_volume_mode": "ignore",
            "netns": {"nsmode": "none"},
            "log_configuration": {"driver": "none"},
        }
        doing, setting = "make a helper container", "fill_timeout_s"
        return kept(
            lambda: self._http.call("POST", "containers/create", doing=doing, setting=setting, body=body),
            remove,
        )


if TYPE_CHECKING:
    _: type[EngineCalls] = PodmanCalls
