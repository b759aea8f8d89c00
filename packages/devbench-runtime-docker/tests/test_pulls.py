"""Pulling, from a small registry of the test's own on loopback: progress, credentials, and every way to fail."""

import asyncio
import base64
import gzip
import hashlib
import io
import json
import secrets
import tarfile
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from aiohttp import web
from pydantic import SecretStr

from devbench_core.contracts.provider import OpenContext
from devbench_core.errors import ImageNotFound, ImagePullFailed
from devbench_core.model.image import PullProgress, RegistryAuth
from devbench_runtime_docker.engine import Engine
from devbench_runtime_docker.opening import opened
from devbench_runtime_docker.runtime import DockerRuntime
from devbench_runtime_docker.settings import DockerSettings

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
PASSWORD = "s3cret-of-the-test"
REPOSITORY = "tiny/image"


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def layer() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        content = secrets.token_bytes(300_000)
        entry = tarfile.TarInfo("file")
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


class Registry:
    """Serves one image; asks for a password when told to."""

    def __init__(self) -> None:
        plain = layer()
        packed = gzip.compress(plain)
        config = json.dumps(
            {
                "architecture": "amd64",
                "os": "linux",
                "config": {"Env": ["PULLED=1"]},
                "rootfs": {"type": "layers", "diff_ids": [digest_of(plain)]},
            }
        ).encode()
        described = [
            ("application/vnd.docker.container.image.v1+json", config),
            ("application/vnd.docker.image.rootfs.diff.tar.gzip", packed),
        ]
        parts = [
            {"mediaType": kind, "size": len(data), "digest": digest_of(data)} for kind, data in described
        ]
        self.manifest = json.dumps(
            {"schemaVersion": 2, "mediaType": MANIFEST, "config": parts[0], "layers": parts[1:]}
        ).encode()
        self.blobs = {digest_of(data): data for _, data in described}
        self.private = False
        self.moving = asyncio.Event()
        self.moving.set()
        self.port = 0

    @property
    def name(self) -> str:
        return f"127.0.0.1:{self.port}/{REPOSITORY}:1"

    async def serve(self, request: web.Request) -> web.Response:
        wanted = "Basic " + base64.b64encode(f"robot:{PASSWORD}".encode()).decode()
        if self.private and request.headers.get("Authorization") != wanted:
            return web.json_response(
                {"errors": [{"code": "UNAUTHORIZED", "message": "authentication required"}]},
                status=401,
                headers={"WWW-Authenticate": 'Basic realm="test"'},
            )
        await self.moving.wait()
        path = request.path
        if path == "/v2/":
            return web.json_response({})
        if path in {
            f"/v2/{REPOSITORY}/manifests/1",
            f"/v2/{REPOSITORY}/manifests/{digest_of(self.manifest)}",
        }:
            headers = {"Docker-Content-Digest": digest_of(self.manifest)}
            return web.Response(body=self.manifest, content_type=MANIFEST, headers=headers)
        blob = self.blobs.get(path.rpartition("/")[2])
        if blob is not None:
            return web.Response(body=blob, content_type="application/octet-stream")
        return web.json_response(
            {"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]}, status=404
        )


@pytest.fixture
async def registry(engine: Engine) -> AsyncGenerator[Registry]:
    """A running registry; the image is removed from the engine afterwards."""
    held = Registry()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", held.serve)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    held.port = runner.addresses[0][1]
    yield held
    await runner.cleanup()
    listed: list[dict[str, Any]] = await engine.call("GET", "images/json", doing="list")
    for each in listed:
        if any(held.name in tag for tag in each.get("RepoTags") or ()):
            await engine.call("DELETE", f"images/{each['Id']}", doing="clean up", params={"force": "1"})


async def pulled(runtime: DockerRuntime, name: str, auth: RegistryAuth | None = None) -> list[PullProgress]:
    return [step async for step in runtime.pull(name, auth)]


def robot(registry: Registry, password: str = PASSWORD) -> RegistryAuth:
    return RegistryAuth(registry=f"127.0.0.1:{registry.port}", username="robot", password=SecretStr(password))


async def test_an_image_is_pulled_with_progress_and_then_resolved(runtime: DockerRuntime, registry: Registry):
    with pytest.raises(ImageNotFound):
        await runtime.resolve_image(registry.name)
    steps = await pulled(runtime, registry.name)
    moved = [step for step in steps if step.done_bytes]
    assert moved
    assert all(step.layer and step.total_bytes for step in moved)
    image = await runtime.resolve_image(registry.name)
    assert image.digest == digest_of(registry.manifest)
    assert image.env["PULLED"] == "1"


async def test_pulling_again_is_cheap_and_succeeds(runtime: DockerRuntime, registry: Registry):
    await pulled(runtime, registry.name)
    assert not [step for step in await pulled(runtime, registry.name) if step.done_bytes]


async def test_the_digest_names_it_too(runtime: DockerRuntime, registry: Registry):
    await pulled(runtime, registry.name)
    by_digest = f"127.0.0.1:{registry.port}/{REPOSITORY}@{digest_of(registry.manifest)}"
    await pulled(runtime, by_digest)
    assert (await runtime.resolve_image(by_digest)).id == (await runtime.resolve_image(registry.name)).id


async def test_credentials_open_a_private_registry(runtime: DockerRuntime, registry: Registry):
    registry.private = True
    await pulled(runtime, registry.name, robot(registry))
    assert (await runtime.resolve_image(registry.name)).id


@pytest.mark.parametrize("password", [None, "wrong"])
async def test_refused_credentials_are_said_so_and_never_shown(
    runtime: DockerRuntime, registry: Registry, password: str | None
):
    registry.private = True
    auth = robot(registry, password) if password else None
    with pytest.raises(ImagePullFailed, match="refuses it") as refused:
        await pulled(runtime, registry.name, auth)
    shown = f"{refused.value} {refused.value.details}"
    assert registry.name in shown
    assert "wrong" not in shown


async def test_an_image_that_the_registry_lacks_is_said_so(runtime: DockerRuntime, registry: Registry):
    with pytest.raises(ImagePullFailed, match="no such image"):
        await pulled(runtime, f"127.0.0.1:{registry.port}/tiny/absent:1")


async def test_a_registry_that_is_not_there_is_said_so(runtime: DockerRuntime):
    with pytest.raises(ImagePullFailed, match="does not answer the engine"):
        await pulled(runtime, "127.0.0.1:1/tiny/image:1")


async def test_a_pull_that_makes_no_progress_is_given_up_after_the_bound(
    settings: DockerSettings, context: OpenContext, registry: Registry
):
    registry.moving.clear()
    try:
        async with opened(settings.model_copy(update={"pull_stall_timeout_s": 0.3}), context) as docker:
            with pytest.raises(ImagePullFailed, match=r"no progress for 0\.3 s"):
                await pulled(docker, registry.name)
    finally:
        registry.moving.set()


async def test_a_pull_that_is_given_up_ends_the_request(runtime: DockerRuntime, registry: Registry):
    steps = runtime.pull(registry.name, None)
    assert (await anext(steps)).status
    await steps.aclose()
    assert (await runtime.ping()).version
