"""Opening: TLS for real, engines that are not there or not one, versions, and what importing costs."""

import asyncio
import json
import ssl
import subprocess
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from devbench_core.contracts.provider import OpenContext
from devbench_core.contracts.runtime import CreateRequest
from devbench_core.errors import ConfigurationInvalid, EngineFailed, EngineUnreachable
from devbench_runtime_docker.doctor import examine
from devbench_runtime_docker.opening import opened
from devbench_runtime_docker.settings import DockerSettings

OPENSSL_TIMEOUT_S = 30
Requests = Callable[..., Awaitable[CreateRequest]]


def openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(
        ["openssl", *arguments], cwd=folder, check=True, capture_output=True, timeout=OPENSSL_TIMEOUT_S
    )


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority, and a certificate for loopback that it signed."""
    folder = tmp_path_factory.mktemp("tls")
    new = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    openssl(folder, "req", *new, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test authority")
    openssl(
        folder, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "key.pem",
        "-out", "request.pem", "-subj", "/CN=localhost",
    )  # fmt: skip
    (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n", "ascii")
    openssl(
        folder, "x509", "-req", "-in", "request.pem", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
        "-days", "2", "-extfile", "names", "-out", "cert.pem",
    )  # fmt: skip
    return folder


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


@asynccontextmanager
async def tls_door(socket: str, folder: Path) -> AsyncGenerator[int]:
    """The test engine behind TLS that asks for a certificate, as dockerd's ``--tlsverify`` does."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    await asyncio.to_thread(context.load_cert_chain, str(folder / "cert.pem"), str(folder / "key.pem"))
    await asyncio.to_thread(context.load_verify_locations, str(folder / "ca.pem"))
    context.verify_mode = ssl.CERT_REQUIRED

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        engine_reader, engine_writer = await asyncio.open_unix_connection(socket)
        await asyncio.gather(copy(reader, engine_writer), copy(engine_reader, writer))

    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context) as server:
        yield server.sockets[0].getsockname()[1]
        server.close()


def tls_settings(port: int, folder: Path, **more: object) -> DockerSettings:
    files = {"tls_ca": folder / "ca.pem", "tls_cert": folder / "cert.pem", "tls_key": folder / "key.pem"}
    return DockerSettings.model_validate(
        {"host": f"tcp://localhost:{port}", "prepared_workspaces": 1, **files, **more}
    )


async def test_a_container_lives_its_whole_life_over_tls(
    docker_host: str, context: OpenContext, certificates: Path, wanted: Requests
):
    async with (
        tls_door(docker_host.removeprefix("unix://"), certificates) as port,
        opened(tls_settings(port, certificates), context) as docker,
    ):
        assert (await docker.ping()).name == "Docker Engine"
        ref = await docker.create(await wanted())
        await docker.start(ref)
        for _ in range(2):  # by the stream of PID 1, then by a bridge
            stream = await docker.connect(ref)
            assert b"DVBA" in await stream.read()
            await stream.close()
        await docker.remove(ref)


async def test_the_variables_of_the_docker_client_open_tls_too(
    docker_host: str, context: OpenContext, certificates: Path, monkeypatch: pytest.MonkeyPatch
):
    async with tls_door(docker_host.removeprefix("unix://"), certificates) as port:
        monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{port}")
        monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
        monkeypatch.setenv("DOCKER_CERT_PATH", str(certificates))
        async with opened(DockerSettings(), context) as docker:
            assert (await docker.ping()).api_version


async def test_an_engine_whose_certificate_is_not_trusted_is_not_talked_to(
    docker_host: str, context: OpenContext, certificates: Path
):
    async with tls_door(docker_host.removeprefix("unix://"), certificates) as port:
        settings = tls_settings(port, certificates, tls_ca=None)
        with pytest.raises(EngineUnreachable, match="certificate"):
            async with opened(settings, context):
                pass
        async with opened(settings.model_copy(update={"tls_verify": False}), context):
            pass


async def test_without_our_certificate_the_engine_refuses(
    docker_host: str, context: OpenContext, certificates: Path
):
    async with tls_door(docker_host.removeprefix("unix://"), certificates) as port:
        with pytest.raises(EngineUnreachable):
            async with opened(tls_settings(port, certificates, tls_cert=None, tls_key=None), context):
                pass


@pytest.mark.parametrize("field", ["tls_ca", "tls_cert", "tls_key"])
async def test_a_tls_file_that_cannot_be_used_is_named(
    field: str, context: OpenContext, certificates: Path, tmp_path: Path
):
    bad = tmp_path / "bad.pem"
    bad.write_text("nonsense", "ascii")
    with pytest.raises(ConfigurationInvalid, match="pem"):
        async with opened(tls_settings(1, certificates, **{field: bad}), context):
            pass


async def test_nobody_there_is_unreachable(context: OpenContext, tmp_path: Path):
    with pytest.raises(EngineUnreachable, match=r"nobody\.sock"):
        async with opened(DockerSettings(host=f"unix://{tmp_path}/nobody.sock"), context):
            pass


@asynccontextmanager
async def pretending(folder: Path, version: dict[str, object] | None) -> AsyncGenerator[str]:
    """Somebody at a socket who answers each call with this version, or with nothing at all."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if version is None:
            await reader.read()
        body = json.dumps(version).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body)
        writer.close()

    path = folder / "pretender.sock"
    async with await asyncio.start_unix_server(serve, path):
        yield f"unix://{path}"


async def test_a_silent_engine_is_given_up_after_the_configured_time(context: OpenContext, tmp_path: Path):
    async with pretending(tmp_path, None) as host:
        with pytest.raises(EngineUnreachable, match=r"within 0\.2 s") as refused:
            async with opened(DockerSettings(host=host, ping_timeout_s=0.2), context):
                pass
    assert refused.value.details["setting"] == "plugin.docker.ping_timeout_s"


@pytest.mark.parametrize(
    "version",
    [
        {"Version": "18.09", "ApiVersion": "1.39", "MinAPIVersion": "1.12"},
        {"Version": "99", "ApiVersion": "9.0", "MinAPIVersion": "8.0"},
        {},
    ],
)
async def test_an_engine_whose_versions_do_not_meet_ours_is_refused(
    version: dict[str, object], context: OpenContext, tmp_path: Path
):
    async with pretending(tmp_path, version) as host:
        with pytest.raises(EngineFailed, match=r"devbench 1\.41 to"):
            async with opened(DockerSettings(host=host), context):
                pass


async def test_a_newer_engine_is_spoken_to_at_the_newest_version_we_know(tmp_path: Path):
    from devbench_runtime_docker.engine import connected

    newer: dict[str, object] = {"Version": "40", "ApiVersion": "1.99", "MinAPIVersion": "1.44"}
    async with pretending(tmp_path, newer) as host, connected(DockerSettings(host=host)) as engine:
        await engine.negotiate()
        assert engine.api_version == "1.51"


async def test_the_doctor_finds_a_working_engine(settings: DockerSettings, context: OpenContext):
    diagnosis = await examine(settings, context)
    assert diagnosis.ok
    assert "answers at" in diagnosis.summary
    assert diagnosis.remedies == ()


async def test_the_doctor_knows_how_to_start_one(context: OpenContext, tmp_path: Path):
    diagnosis = await examine(DockerSettings(host=f"unix://{tmp_path}/nobody.sock"), context)
    assert not diagnosis.ok
    assert diagnosis.remedies[-1].argv[-1] in {"docker", "start"}


async def test_the_doctor_says_how_to_install_one(
    context: OpenContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("devbench_runtime_docker.doctor.ADMIN_FOLDERS", ())
    diagnosis = await examine(DockerSettings(host=f"unix://{tmp_path}/nobody.sock"), context)
    assert diagnosis.summary == "Docker is not installed"
    assert diagnosis.remedies[0].argv == ("apt-get", "install", "-y", "docker.io")


async def test_the_doctor_never_raises(context: OpenContext):
    for settings in (DockerSettings(host="nonsense"), DockerSettings(context="absent")):
        diagnosis = await examine(settings, context)
        assert not diagnosis.ok
        assert diagnosis.summary


def test_importing_the_plugin_imports_no_client():
    program = (
        "import sys, devbench_runtime_docker; from devbench_runtime_docker import plugin; plugin.devbench_runtimes();"
        "print([name for name in ('aiodocker', 'aiohttp') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"
