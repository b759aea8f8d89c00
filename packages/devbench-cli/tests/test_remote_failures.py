"""What goes wrong between this process and a host, provoked by a real HTTP server."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from devbench_cli.backends.connecting import open_remote
from devbench_cli.backends.opening import patience_of, token_of
from devbench_cli.backends.patience import Patience
from devbench_cli.backends.remote_failures import failure_of
from devbench_cli.failures import HostUnreachable
from devbench_cli.options import Options
from devbench_core.errors import ConfigurationInvalid, DevbenchError, ValidationFailed

Seen = list[str | None]


@contextmanager
def answering(status: int) -> Generator[tuple[str, Seen]]:
    """Serve one status to every request; gather the tokens that came."""
    seen: Seen = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            seen.append(self.headers.get("Authorization"))
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_DELETE = do_POST  # noqa: N815 - the names are the library's

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the library's
            _ = format, args

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/mcp", seen
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.loop_may_stall("the MCP client is imported here")
@pytest.mark.parametrize(
    ("status", "code"),
    [(401, "unauthorised"), (403, "unauthorised"), (404, "host_unreachable"), (500, "host_unreachable")],
)
async def test_an_http_error_becomes_an_error_with_a_hint(status: int, code: str):
    with answering(status) as (url, seen), pytest.raises(DevbenchError) as raised:
        async with open_remote(url, "the-token") as backend:
            await backend.call("status", {})
    assert (raised.value.code, bool(raised.value.hint)) == (code, True)
    assert "the-token" not in str(raised.value)
    assert set(seen) == {"Bearer the-token"}


def test_a_hosts_error_keeps_its_code_retry_hint_and_details():
    error = failure_of(
        {
            "error": {
                "code": "engine_unreachable",
                "message": "m",
                "hint": "h",
                "retry": True,
                "details": {"a": 1},
            }
        },
        "",
    )
    assert (error.code, error.retry, error.message, error.hint) == ("engine_unreachable", True, "m", "h")
    assert error.details == {"a": 1}


def test_an_error_without_structure_is_shown_as_its_text():
    assert failure_of({}, "something odd").message == "something odd"


@pytest.mark.loop_may_stall("the MCP client is imported here")
@pytest.mark.parametrize("retries", [0, 3])
async def test_a_host_that_stops_is_asked_again_as_often_as_is_allowed(retries: int):
    told: list[int] = []
    patience = Patience(retries=retries, wait_s=0.01)
    with answering(503) as (url, seen), pytest.raises(DevbenchError) as raised:
        async with open_remote(url, None, patience=patience, on_repeat=lambda: told.append(len(seen))):
            pass
    assert (raised.value.code, "answered 503" in raised.value.message) == ("host_unreachable", True)
    assert len(told) == retries
    assert len(seen) == 2 * (retries + 1), "it is asked which era it speaks, and then in the older one"


@pytest.mark.loop_may_stall("the MCP client is imported here")
async def test_an_address_at_which_nobody_listens_is_told_at_once():
    told: list[int] = []
    with pytest.raises(HostUnreachable):
        async with open_remote("http://127.0.0.1:9/mcp", None, on_repeat=lambda: told.append(1)):
            pass
    assert told == []


@pytest.mark.parametrize("url", ["bench.example", "ftp://bench.example"])
async def test_what_is_no_address_is_refused(url: str):
    with pytest.raises(ConfigurationInvalid, match="no address"):
        async with open_remote(url, None):
            pass


def test_the_token_comes_from_a_file_else_from_the_variable(tmp_path: Path):
    file = tmp_path / "token"
    file.write_text("from-file\n")
    environ = {"DEVBENCH_TOKEN": "from-variable"}
    assert token_of(Options(token_file=file), environ) == "from-file"
    assert token_of(Options(), environ) == "from-variable"
    assert token_of(Options(), {}) is None


@pytest.mark.parametrize("content", [None, "two words"])
def test_a_token_file_that_holds_no_token_is_refused_without_showing_it(tmp_path: Path, content: str | None):
    if content is not None:
        (tmp_path / "token").write_text(content)
    with pytest.raises(ConfigurationInvalid) as raised:
        token_of(Options(token_file=tmp_path / "token"), {})
    assert "two words" not in str(raised.value)


def test_the_bounds_of_trying_again_come_from_options_and_have_an_end():
    given = Options(retries=0, retry_for="2m", retry_wait="0.5s", silent_after="45s")
    assert patience_of(given) == Patience(retries=0, for_s=120.0, wait_s=0.5, silent_s=45.0)
    assert patience_of(Options()) == Patience()
    with pytest.raises(ValidationFailed, match="without an end"):
        patience_of(Options(retry_for="never"))
