"""Fetching images, with progress."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import aiodocker
import aiohttp

from devbench_core.engines.pulling import pull_failed, stalled
from devbench_core.errors import DevbenchError
from devbench_core.model.image import PullProgress, RegistryAuth
from devbench_runtime_docker.engine import Engine
from devbench_runtime_docker.failures import unreachable


async def pull(engine: Engine, name: str, auth: RegistryAuth | None) -> AsyncGenerator[PullProgress, None]:
    """Fetch an image, yielding what the engine says of it.

    Raises:
        ImagePullFailed: The registry is silent, has no such image, or refuses the credentials; or nothing moved
            within the bound.
        EngineUnreachable: The engine did not answer.
    """
    credentials = None if auth is None else _credentials(auth)
    steps = engine.client.images.pull(name, auth=credentials, stream=True)
    bound = engine.settings.pull_stall_timeout_s
    try:
        while True:
            try:
                async with asyncio.timeout(bound):
                    step = await anext(steps)
            except StopAsyncIteration:
                return
            if "error" in step:
                raise pull_failed(name, str(step["error"]), auth)
            yield _progress(step)
    except TimeoutError as error:
        raise stalled(name, "docker", bound) from error
    except aiodocker.DockerError as error:
        raise _translated(engine, name, error, auth) from error
    except (aiohttp.ClientError, OSError) as error:
        raise unreachable(engine.endpoint, error) from error
    finally:
        await _close(steps)


def _credentials(auth: RegistryAuth) -> dict[str, str]:
    return {
        "username": auth.username,
        "password": auth.password.get_secret_value(),
        "serveraddress": auth.registry,
    }


def _translated(
    engine: Engine, name: str, error: aiodocker.DockerError, auth: RegistryAuth | None
) -> DevbenchError:
    if error.status == 900:  # aiodocker's own: it could not connect
        return unreachable(engine.endpoint, error)
    return pull_failed(name, str(error.message), auth)


def _progress(step: dict[str, Any]) -> PullProgress:
    detail: dict[str, Any] = step.get("progressDetail") or {}
    return PullProgress(
        status=str(step.get("status", "")),
        layer=str(step.get("id", "")),
        done_bytes=detail.get("current"),
        total_bytes=detail.get("total"),
    )


async def _close(steps: AsyncIterator[dict[str, Any]]) -> None:
    """End the request, so that the engine stops a pull that nobody waits for."""
    if isinstance(steps, AsyncGenerator):
        await steps.aclose()
