"""Fetching images, with progress."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncGenerator

from devbench_core.engines.answers import TEXT_MAX, EngineAnswer
from devbench_core.engines.pulling import pull_failed, stalled
from devbench_core.model.image import PullProgress, RegistryAuth
from devbench_runtime_podman.engine import Engine


async def pull(engine: Engine, name: str, auth: RegistryAuth | None) -> AsyncGenerator[PullProgress, None]:
    """Fetch an image, yielding what Podman says of it: a line for each layer, no count of bytes.

    Raises:
        ImagePullFailed: The registry is silent, has no such image, or refuses the credentials; or nothing moved
            within the bound.
        EngineUnreachable: The service did not answer.
    """
    headers = {} if auth is None else {"X-Registry-Auth": _credentials(auth)}
    bound = engine.settings.pull_stall_timeout_s
    async with engine.pull_turn:
        steps = engine.pull({"reference": name, "policy": "always", "quiet": "false"}, headers)
        try:
            while True:
                async with asyncio.timeout(bound):
                    step = await anext(steps, None)
                if step is None:
                    return
                if step.get("error"):
                    raise pull_failed(name, str(step["error"]), auth)
                if text := str(step.get("stream") or "").strip():
                    yield _progress(text)
        except TimeoutError as error:
            raise stalled(name, "podman", bound) from error
        except EngineAnswer as error:
            raise pull_failed(name, error.message, auth) from error
        finally:
            await steps.aclose()  # ends the request, so that the service stops a pull that nobody waits for


def _credentials(auth: RegistryAuth) -> str:
    given = {
        "username": auth.username,
        "password": auth.password.get_secret_value(),
        "serveraddress": auth.registry,
    }
    return base64.urlsafe_b64encode(json.dumps(given).encode()).decode()


def _progress(text: str) -> PullProgress:
    words = text.split()
    digest = next((word for word in words if word.startswith("sha256:")), "")
    return PullProgress(status=text[:TEXT_MAX], layer=digest)
