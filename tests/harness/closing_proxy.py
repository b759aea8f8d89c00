"""Something that answers as HTTP/1.0 did: a body ends when the connection is closed, whatever was the reason."""

from __future__ import annotations

import http.client
import socket

from harness.tcp_proxy import LINKS, PIECE, TcpProxy

HEAD = b"HTTP/1.0 200 OK\r\nX-Devbench-Link: 1\r\nConnection: close\r\n\r\n"


class ClosingProxy(TcpProxy):
    """Takes what a host answers to a link, and gives it on without a length.

    Attributes:
        ends_after: Bytes of an answer after which it closes the connection properly; None gives all.
    """

    def __init__(self) -> None:
        super().__init__()
        self.ends_after: int | None = None

    def _forward(self, client: socket.socket, head: bytes) -> None:
        line, _, rest = head.partition(b"\r\n")
        method, target, _ = line.split(b" ")
        if LINKS not in target or method == b"PUT":
            super()._forward(client, head)
            return
        named = dict(field.split(b": ", 1) for field in rest.strip().split(b"\r\n"))
        headers = {name.decode(): value.decode() for name, value in named.items()}
        asked = http.client.HTTPConnection("127.0.0.1", self.target)
        asked.request(method.decode(), target.decode(), headers=headers)
        body = asked.getresponse()
        left = self.ends_after
        client.sendall(HEAD)
        while left != 0 and (piece := body.read(PIECE if left is None else min(PIECE, left))):
            client.sendall(piece)
            left = None if left is None else left - len(piece)
        client.close()
        asked.close()
