"""An origin for big bodies: GET /bytes/N sends N bytes; a request with a body is answered after its last
byte.

Run as a program of its own (`python sink.py PORT ...`). Speaks only the HTTP that the bench needs:
Content-Length, keep-alive, no pipelining.
"""

from __future__ import annotations

import asyncio
import re
import sys
from typing import Final, cast

import uvloop

BLOCK: Final = b"x" * (256 << 10)
LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
DOWNLOAD: Final = re.compile(rb"GET /bytes/(\d+)")


class Sink(asyncio.BufferedProtocol):
    """One connection."""

    def __init__(self) -> None:
        self._buffer = bytearray(256 << 10)
        self._head = b""
        self._body_left = 0
        self._send_left = 0
        self._writable = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport (uvloop's is none of asyncio's classes)."""
        self._transport = cast("asyncio.WriteTransport", transport)

    def get_buffer(self, sizehint: int) -> bytearray:  # noqa: ARG002 (the protocol's signature)
        """Always the same buffer: what was read is thrown away."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Count body bytes down, or collect a head."""
        if self._body_left:
            self._body_left -= nbytes
            if not self._body_left:
                self._answer()
            return
        self._head += bytes(self._buffer[:nbytes])
        head, end, body = self._head.partition(b"\r\n\r\n")
        if not end:
            return
        self._head = b""
        length = LENGTH.search(head)
        self._body_left = (int(length[1]) if length else 0) - len(body)
        download = DOWNLOAD.match(head)
        self._send_left = int(download[1]) if download else 0
        if b"\r\nexpect:" in head.lower():
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if not self._body_left:
            self._answer()

    def _answer(self) -> None:
        fields = f"Content-Type: application/octet-stream\r\nContent-Length: {self._send_left}\r\n"
        self._transport.write(f"HTTP/1.1 200 OK\r\n{fields}\r\n".encode())
        self._pump()

    def _pump(self) -> None:
        while self._send_left and self._writable:
            block = BLOCK[: self._send_left]
            self._send_left -= len(block)
            self._transport.write(block)

    def pause_writing(self) -> None:
        """The other side is slower."""
        self._writable = False

    def resume_writing(self) -> None:
        """Go on."""
        self._writable = True
        self._pump()


async def serve(ports: list[int]) -> None:
    """Until the process is ended."""
    loop = asyncio.get_running_loop()
    servers = [await loop.create_server(Sink, "127.0.0.1", port, backlog=1024) for port in ports]
    await asyncio.gather(*(server.serve_forever() for server in servers))


if __name__ == "__main__":
    uvloop.run(serve([int(port) for port in sys.argv[1:]]))
