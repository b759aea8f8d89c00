"""What cannot be reached, or refuses us, is told in bounded time, with the setting and without the secret."""

from __future__ import annotations

import asyncio
import logging
import time
import traceback
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr

from devbench_core.clock import SystemClock
from devbench_core.contracts.lock import Lock
from devbench_core.contracts.provider import OpenContext
from devbench_core.errors import ConfigurationInvalid, DevbenchError, LockFailed
from devbench_core.testing.kit import open_provider
from devbench_core.testing.seeing import until
from devbench_lock_redis.address import Address, address_of
from devbench_lock_redis.plugin import plugin
from devbench_lock_redis.settings import RedisSettings
from harness import redis_server
from harness.certificates import server_context
from harness.redis_locks import open_on
from harness.redis_server import RedisServer, free_port

SECRET = "hunter2"
QUICK = {"connect_timeout_s": 0.3, "command_timeout_s": 0.3, "retries": 1}
BOUND_S = 10.0


async def hold(lock: Lock, key: str, *, wait_s: float = 0) -> None:
    async with lock.hold(key, ttl_s=5, wait_s=wait_s):
        pass


async def open_fails(url: str, **settings: object) -> DevbenchError:
    started = time.monotonic()
    with pytest.raises(DevbenchError) as caught:
        async with open_on(url, **QUICK, **settings):
            pass
    assert time.monotonic() - started < BOUND_S
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    return caught.value


async def test_a_wrong_password_is_told_by_the_settings_name_and_not_repeated(
    caplog: pytest.LogCaptureFixture,
):
    with RedisServer("--requirepass", "right", password="right") as server, caplog.at_level(logging.DEBUG):
        for url, settings in (
            (f"unix://:{SECRET}@{server.socket}", {}),
            (server.url, {"password": SECRET}),
            (server.url, {"password": SECRET, "username": "nobody"}),
            (server.url, {}),
        ):
            error = await open_fails(url, **settings)
            assert error.code == "lock_failed"
            assert error.retry is False
            assert "plugin.redis.password" in error.hint
        assert SECRET not in caplog.text
        async with open_on(server.url, password="right") as lock, lock.hold("k", ttl_s=5, wait_s=0):
            pass
        async with open_on(f"unix://:right@{server.socket}?db=3") as lock, lock.hold("k", ttl_s=5, wait_s=0):
            pass


async def test_a_user_without_the_right_to_our_keys_is_told_so(server: RedisServer):
    rights = (
        "-@all ~mine:* &mine:* +@read +@write +@scripting +@pubsub +@connection +time +info"  # the README's
    )
    server.ask("ACL", "SETUSER", "guest", "on", f">{SECRET}", *rights.split())
    who = {"username": "guest", "password": SECRET}
    async with open_on(server.url, **who, prefix="mine:") as lock, lock.hold("k", ttl_s=5, wait_s=0):
        await until(lambda: server.ask("PUBSUB", "CHANNELS", "mine:*"))
    async with open_on(server.url, **who, poll_s=0.05) as lock:
        with pytest.raises(LockFailed, match="does not permit") as caught:
            async with lock.hold("k", ttl_s=5, wait_s=0):
                pass
        assert "plugin.redis.prefix" in caught.value.hint


async def test_a_user_without_the_right_to_channels_waits_without_being_woken(
    server: RedisServer, caplog: pytest.LogCaptureFixture
):
    server.ask("ACL", "SETUSER", "guest", "on", f">{SECRET}", "+@all", "allkeys", "resetchannels")
    who = {"username": "guest", "password": SECRET, "poll_s": 0.05}
    async with open_on(server.url, **who) as one, open_on(server.url, **who) as other:
        async with one.hold("k", ttl_s=60, wait_s=0):
            waiting = asyncio.create_task(hold(other, "k", wait_s=60))
            await until(lambda: server.ask("ZCARD", "devbench:lock:queue:k"), (1).__eq__)
        await asyncio.wait_for(waiting, BOUND_S)
    assert "lease.not_given_back" not in caplog.text


async def test_an_address_where_nobody_is_fails_at_once(tmp_path: Path):
    for url in (f"redis://user:{SECRET}@127.0.0.1:{free_port()}", f"unix://{tmp_path}/none.sock"):
        error = await open_fails(url)
        assert error.code == "lock_failed"
        assert error.retry is True
        assert "cannot be reached" in error.message


async def test_a_server_that_says_nothing_fails_in_bounded_time(server: RedisServer):
    async with open_on(server.url, **QUICK) as lock:
        server.stop()
        started = time.monotonic()
        with pytest.raises(LockFailed, match="did not answer in time") as caught:
            async with lock.hold("k", ttl_s=60, wait_s=60):
                pass
        assert time.monotonic() - started < BOUND_S
        assert "command_timeout_s" in caught.value.hint
        await open_fails(server.url)
        claim = asyncio.create_task(hold(lock, "k", wait_s=60))
        await asyncio.sleep(0)
        claim.cancel()
        await asyncio.wait({claim}, timeout=BOUND_S)
        assert claim.cancelled()
        server.go_on()
        async with lock.hold("k", ttl_s=5, wait_s=5):
            pass


async def test_a_server_that_died_while_a_key_is_waited_for_ends_the_wait(server: RedisServer):
    async with (
        open_on(server.url, **QUICK, poll_s=0.1) as one,
        open_on(server.url, **QUICK, poll_s=0.1) as other,
        one.hold("k", ttl_s=60, wait_s=0),
    ):
        waiting = asyncio.create_task(hold(other, "k", wait_s=60))
        await until(lambda: server.ask("ZCARD", "devbench:lock:queue:k"), (1).__eq__)
        server.kill()
        await asyncio.wait({waiting}, timeout=BOUND_S)
        assert isinstance(waiting.exception(), LockFailed)


@pytest.mark.parametrize("step", range(0, 40, 2))
async def test_whoever_opens_is_cancelled_or_closes_at_once_at_any_step(
    shared_server: RedisServer, step: int
):
    async def live(steps: int) -> None:
        async with open_on(shared_server.url):
            for _ in range(steps):
                await asyncio.sleep(0)

    await asyncio.wait_for(live(step), BOUND_S)
    opening = asyncio.create_task(live(10**9))
    for _ in range(step):
        await asyncio.sleep(0)
    opening.cancel()
    await asyncio.wait({opening}, timeout=BOUND_S)
    assert opening.cancelled()


async def test_no_connection_that_becomes_free_is_told_by_its_setting(server: RedisServer):
    async with open_on(server.url, pool_size=1, pool_timeout_s=0.05, **{**QUICK, "retries": 0}) as lock:
        server.stop()
        outcomes = await asyncio.gather(*(hold(lock, key) for key in "ab"), return_exceptions=True)
        assert any("pool_size" in str(outcome) for outcome in outcomes)
        assert all(isinstance(outcome, LockFailed) for outcome in outcomes)
        server.go_on()


@contextmanager
def speaking_tls(folder: Path) -> Generator[tuple[RedisServer, str, str]]:
    """Give a server, its address, and the file with its certificate."""
    _, certificate = server_context(folder)
    port = str(free_port())
    options = ("--port", "0", "--tls-port", port, "--tls-auth-clients", "no")
    files = ("--tls-cert-file", str(certificate), "--tls-key-file", str(folder / "key.pem"))
    with RedisServer(*options, *files, "--tls-ca-cert-file", str(certificate)) as server:
        yield server, f"rediss://127.0.0.1:{port}", str(certificate)


async def test_tls_is_spoken_with_a_server_whose_certificate_holds(tmp_path: Path):
    with speaking_tls(tmp_path) as (_, url, certificate):
        async with open_on(url, tls_ca_file=certificate) as lock, lock.hold("k", ttl_s=5, wait_s=0):
            pass
        error = await open_fails(url)
        assert "certificate" in error.message


async def test_a_lock_is_left_in_bounded_time_also_where_the_server_ends_no_connection(tmp_path: Path):
    async def live(server: RedisServer, url: str, certificate: str) -> None:
        async with open_on(url, tls_ca_file=certificate, **QUICK) as lock:
            async with lock.hold("k", ttl_s=5, wait_s=0):
                await until(lambda: server.ask("PUBSUB", "CHANNELS", "*"))
            server.stop()

    with speaking_tls(tmp_path) as (server, url, certificate):
        await asyncio.wait_for(live(server, url, certificate), BOUND_S)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://localhost", Address(host="localhost")),
        ("redis://h:7/3", Address(host="h", port=7, db=3)),
        ("rediss://h", Address(host="h", tls=True)),
        ("redis://u:p%23x@[::1]:7", Address(host="::1", port=7, username="u", password="p#x")),
        ("redis://:p@h", Address(host="h", password="p")),
        ("unix:///run/r.sock", Address(path="/run/r.sock")),
        ("unix://u:p@/run/r.sock?db=2", Address(path="/run/r.sock", db=2, username="u", password="p")),
    ],
)
def test_urls_are_read(url: str, address: Address):
    assert address_of(RedisSettings(url=SecretStr(url))) == address


@pytest.mark.parametrize(
    "url",
    [
        f"http://u:{SECRET}@h",
        f"redis://u:{SECRET}#@h",
        f"redis://u:{SECRET}",
        f"redis://u:1/{SECRET}@h/x",
        f"redis://u:{SECRET}@[::1",
        f"redis://u:{SECRET}@h/0?password={SECRET}",
        f"redis://u:{SECRET}@",
        f"unix://u:{SECRET}@",
        f"unix://u:{SECRET}@/s?x={SECRET}",
        f"unix://{SECRET}/s",
        SECRET,
    ],
)
async def test_a_url_that_cannot_be_used_is_refused_and_not_repeated(url: str):
    error = await open_fails(url)
    assert isinstance(error, ConfigurationInvalid)
    assert "plugin.redis.url" in error.message


def test_without_a_url_it_is_this_machine():
    assert address_of(RedisSettings()) == Address(host="localhost")


def test_settings_given_beside_the_url_win_and_are_not_shown():
    settings = RedisSettings(
        url=SecretStr(f"redis://a:{SECRET}@h"), username="b", password=SecretStr("other" + SECRET)
    )
    address = address_of(settings)
    assert (address.username, address.password) == ("b", "other" + SECRET)
    assert SECRET not in f"{settings!r} {settings} {address!r} {address} {settings.model_dump_json()}"


async def test_a_diagnosis_says_what_answers_and_what_is_missing(server: RedisServer, tmp_path: Path):
    (provider,) = plugin.devbench_locks()
    context = OpenContext(installation="", state_dir=tmp_path, cache_dir=tmp_path, clock=SystemClock())
    assert provider.diagnose is not None
    good = await provider.diagnose(RedisSettings(url=SecretStr(server.url)), context)
    assert (good.ok, good.notes) == (True, ())
    assert str(server.socket) in good.summary
    server.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    evicting = await provider.diagnose(RedisSettings(url=SecretStr(server.url)), context)
    assert evicting.ok
    async with open_provider(provider, tmp_path, settings={"url": server.url}) as lock:
        await hold(lock, "k")
    assert "noeviction" in evicting.notes[0]
    server.ask("REPLICAOF", "127.0.0.1", "1")
    replica = await provider.diagnose(RedisSettings(url=SecretStr(server.url)), context)
    assert not replica.ok
    server.kill()
    for url in (server.url, f"http://{SECRET}"):
        bad = await provider.diagnose(RedisSettings(url=SecretStr(url)), context)
        assert not bad.ok
        assert SECRET not in bad.summary


async def test_a_replica_takes_no_locks_and_is_told_as_one(server: RedisServer):
    server.ask("REPLICAOF", "127.0.0.1", "1")
    async with open_on(server.url) as lock:
        with pytest.raises(LockFailed, match="replica"):
            async with lock.hold("k", ttl_s=5, wait_s=0):
                pass


def test_without_a_server_installed_it_is_said_how_to_install_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(redis_server, "PROGRAM", "redis-server-that-is-nowhere")
    with pytest.raises(RuntimeError, match="apt-get install redis-server "):
        redis_server.program()
