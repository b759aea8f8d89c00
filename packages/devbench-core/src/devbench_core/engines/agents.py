"""The volume that carries the agent into containers: filled once for an engine, verified before it is trusted.

The helper container's name is the lock between hosts: the engine gives it to one of them at a time. Whoever has it
reads the program back and compares its digest; only when that differs is it written. So a volume that a dying host
left half filled is filled again, and no host trusts what it has not seen whole.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Awaitable, Callable

from devbench_core.clock import Clock
from devbench_core.contracts.runtime import AGENT_PATH, AgentProgram
from devbench_core.engines import tars
from devbench_core.engines.answers import EngineAnswer, table
from devbench_core.engines.calls import EngineCalls
from devbench_core.engines.moments import moment
from devbench_core.engines.names import (
    LABEL_AGENT,
    LABEL_FILLER,
    LABEL_OWNER,
    LABEL_ROLE,
    ROLE_AGENT,
    agent_volume_name,
    fill_name,
)
from devbench_core.engines.owner import this_process
from devbench_core.engines.removals import Removals
from devbench_core.errors import EngineFailed, TimedOut
from devbench_core.logs import get_logger

log = get_logger(__name__)

EXECUTE_ONLY = 0o111
FOLDER = "/agent"
RETRY_S = 0.1
SETTING = "fill_timeout_s"


class Agents:
    """Knows which agents are on the engine, and puts them there."""

    def __init__(
        self,
        engine: EngineCalls,
        clock: Clock,
        removals: Removals,
        *,
        after_fill: Callable[[frozenset[str]], Awaitable[None]],
    ) -> None:
        self._engine = engine
        self._removals = removals
        self._clock = clock
        self._after_fill = after_fill
        self._mark = secrets.token_hex(8)
        self._ready: set[str] = set()
        self._filling = asyncio.Lock()

    async def ensure(self, agent: AgentProgram, image_id: str) -> str:
        """Return the name of the volume that holds the agent, filling it when needed.

        Raises:
            ImageNotFound: The image, which helps with the filling, is gone.
            EngineFailed: What the volume gives back is not what was written.
            EngineUnreachable: The engine did not answer.
            TimedOut: Another host has been filling it for too long.
        """
        volume = agent_volume_name(agent.digest)
        if volume not in self._ready:
            async with self._filling:
                if volume not in self._ready:
                    await self._fill(agent, volume, image_id)
                    self._ready.add(volume)
                    await self._after_fill(frozenset(self._ready))
        return volume

    async def vanished(self, volume: str) -> bool:
        """Tell whether a volume is not the one that was filled (it was removed, and made anew as a mount)."""
        try:
            there = (await self._engine.volume(volume)).labels.get(LABEL_ROLE) == ROLE_AGENT
        except EngineAnswer:
            there = False
        if not there:
            self._ready.discard(volume)
        return not there

    async def _fill(self, agent: AgentProgram, volume: str, image_id: str) -> None:
        deadline = self._clock.monotonic_s() + self._engine.settings.fill_timeout_s
        labels = {LABEL_ROLE: ROLE_AGENT, LABEL_AGENT: agent.digest}
        filling = {
            LABEL_AGENT: agent.digest,
            LABEL_FILLER: self._mark,
            LABEL_OWNER: await asyncio.to_thread(this_process),
        }
        while True:
            try:
                await self._make_volume(volume, labels)
                async with self._engine.helper(
                    image_id, volume, FOLDER, filling, name=fill_name(agent.digest),
                    remove=self._removals.helper,
                ) as container:  # fmt: skip
                    return await self._write(agent, container)
            except EngineAnswer as answer:
                if answer.status != 409:
                    raise self._engine.translate(
                        answer, "put the agent on the engine, with", image=image_id
                    ) from answer
            if self._clock.monotonic_s() > deadline:
                raise TimedOut(
                    f"another host has been filling volume {volume!r} for too long",
                    hint=f"plugin.{self._engine.table}.{SETTING} is the bound",
                )
            await self._clear_abandoned(agent)
            await asyncio.sleep(RETRY_S)

    async def _make_volume(self, volume: str, labels: dict[str, str]) -> None:
        """Make the volume unless it is there; one that a mount made by accident has no label and is replaced."""
        made = await self._engine.make_volume(volume, labels)
        if made.labels.get(LABEL_ROLE) != ROLE_AGENT:
            await self._engine.remove_volume(volume)
            await self._make_volume(volume, labels)

    async def _write(self, agent: AgentProgram, container: str) -> None:
        if await self._holds(agent, container):
            return
        data = await asyncio.to_thread(agent.path.read_bytes)
        if hashlib.sha256(data).hexdigest() != agent.digest:
            raise EngineFailed(f"{agent.path} is not the agent with the digest {agent.digest}")
        tar = tars.program(AGENT_PATH.name, data, EXECUTE_ONLY)
        doing = "put the agent on the engine"
        await self._engine.put_archive(container, FOLDER, tar, doing=doing, setting=SETTING)
        if not await self._holds(agent, container):
            raise EngineFailed("the engine does not give back the agent that was put on it")
        log.info("engine.agent_filled", digest=agent.digest)

    async def _holds(self, agent: AgentProgram, container: str) -> bool:
        path = f"{FOLDER}/{AGENT_PATH.name}"
        try:
            tar = await self._engine.get_archive(
                container, path, doing="read the agent back", setting=SETTING
            )
        except EngineAnswer as answer:
            if answer.status == 404:
                return False
            raise
        data, mode = tars.only_file(tar)
        return mode & 0o777 == EXECUTE_ONLY and hashlib.sha256(data).hexdigest() == agent.digest

    async def _clear_abandoned(self, agent: AgentProgram) -> None:
        """Remove the helper of a host that died while it was filling, or of our own whose making was not answered."""
        try:
            shown = await self._engine.show(fill_name(agent.digest))
        except EngineAnswer:
            return
        created = moment(shown.get("Created"))
        age_s = (self._clock.now() - created).total_seconds() if created else 0.0
        is_ours = (
            table(shown, "Config", "Labels").get(LABEL_FILLER) == self._mark
        )  # and we fill one at a time
        if is_ours or age_s > self._engine.settings.fill_timeout_s / 2:
            await self._engine.remove_helper(str(shown["Id"]))
