"""Something between a client and a host: another port, and connections that break, or lead nowhere."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

LINKS = b"/files/"
NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\nConnection: close\r\n\r\nno route\n"
PIECE = 65_536
ANY = 1_000_000
RESET = struct.pack("ii", 1, 0)


class TcpProxy:
    """Forwards connections to a port of this machine.

    Attributes:
        target: Which port.
        cut_down_after: Bytes of a link's answer after which its connection breaks.
        cut_up_after: The same of what is sent to a link.
        cuts: How many connections are still to be broken so.
        knows_links: Whether it forwards links at all; otherwise it answers 404 by itself.
        speaks_old: Whether it asks for links with HTTP/1.0, as nginx does.
        before_link: Is called with the head of a request to a link before that is forwarded.
        links: Connections that used links.
    """

    def __init__(self) -> None:
        self.target = 0
        self.cut_down_after: int | None = None
        self.cut_up_after: int | None = None
        self.cuts = ANY
        self.knows_links = True
        self.speaks_old = False
        self.before_link: Callable[[bytes], None] = lambda _head: None
        self.links = 0
        self._listening = socket.create_server(("127.0.0.1", 0))

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._listening.getsockname()[1]

    @property
    def url(self) -> str:
        """The host's address by way of it."""
        return f"http://127.0.0.1:{self.port}/mcp"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._listening.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        head = client.recv(PIECE)
        is_link = LINKS in head.partition(b"\r\n")[0]
        if is_link:
            self.links += 1
            self.before_link(head)
        if is_link and not self.knows_links:
            client.sendall(NOT_FOUND)
            client.close()
            return
        self._forward(client, head)

    def _forward(self, client: socket.socket, head: bytes) -> None:
        is_link = LINKS in head.partition(b"\r\n")[0]
        if is_link and self.speaks_old:
            head = head.replace(b" HTTP/1.1\r\n", b" HTTP/1.0\r\n", 1)
        host = socket.create_connection(("127.0.0.1", self.target))
        host.sendall(head)
        up = self.cut_up_after if is_link else None
        down = self.cut_down_after if is_link else None
        threading.Thread(target=self._pump, args=(client, host, up), daemon=True).start()
        self._pump(host, client, down)

    def _pump(self, source: socket.socket, target: socket.socket, cut_after: int | None) -> None:
        done = 0
        try:
            while piece := source.recv(PIECE):
                target.sendall(piece)
                done += len(piece)
                if self.cuts and cut_after is not None and done > cut_after:
                    self.cuts -= 1
                    for end in (source, target):
                        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                        end.shutdown(socket.SHUT_RDWR)
                        end.close()
                    return
            target.shutdown(socket.SHUT_WR)
        except OSError:
            return
