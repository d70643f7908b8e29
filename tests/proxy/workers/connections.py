"""Both ends of an edge: a client's connection, and a cell that is slow when asked to be."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final, NamedTuple

BIG_BYTES: Final = 60_000


HUGE_BYTES: Final = 256 << 20


_PIECE: Final = bytes(256 << 10)


class Answer(NamedTuple):
    """One reply: field names in lower case."""

    status: int
    fields: dict[str, str]
    body: bytes


async def write_huge(writer: asyncio.StreamWriter) -> None:
    """HUGE_BYTES, as fast as they are taken."""
    for _ in range(HUGE_BYTES // len(_PIECE)):
        writer.write(_PIECE)
        await writer.drain()


async def read_huge(reader: asyncio.StreamReader) -> None:
    """HUGE_BYTES, to the last."""
    left = HUGE_BYTES
    while left:
        piece = await reader.read(min(left, len(_PIECE)))
        assert piece, f"{left} bytes are missing"
        left -= len(piece)


class Connection:
    """One connection of a client, which asks one thing after the other."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, token: str) -> None:
        self._reader = reader
        self._writer = writer
        self._token = token

    def send(self, path: str = "/", method: str = "GET") -> None:
        """Send a request without a body."""
        length = "Content-Length: 0\r\n" if method == "POST" else ""
        fields = f"Host: edge.example\r\nAuthorization: Bearer {self._token}\r\n{length}"
        self._writer.write(f"{method} {path} HTTP/1.1\r\n{fields}\r\n".encode())

    async def receive(self) -> Answer:
        """The next reply; EOFError or ConnectionError when there is none."""
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        pairs = [line.split(": ", 1) for line in head[1:] if line]
        fields = {name.lower(): value for name, value in pairs}
        body = await self._reader.readexactly(int(fields.get("content-length", "0")))
        return Answer(int(head[0].split()[1]), fields, body)

    async def ask(self, path: str = "/", method: str = "GET") -> Answer:
        self.send(path, method)
        return await self.receive()

    async def download_huge(self) -> None:
        """Ask for /huge and read it; it stands still for a while first, so that all buffers fill."""
        self.stop_reading()
        self.send("/huge")
        await asyncio.sleep(1.0)
        self.go_on_reading()
        assert b" 200 " in await self._reader.readuntil(b"\r\n\r\n")
        await read_huge(self._reader)

    async def upload_huge(self) -> Answer:
        """Send as much to /huge."""
        fields = f"Host: edge.example\r\nAuthorization: Bearer {self._token}\r\nContent-Length: {HUGE_BYTES}"
        self._writer.write(f"POST /huge HTTP/1.1\r\n{fields}\r\n\r\n".encode())
        await write_huge(self._writer)
        return await self.receive()

    def stop_reading(self) -> None:
        self._writer.transport.pause_reading()  # type: ignore[attr-defined]  # a client's can be read from

    def go_on_reading(self) -> None:
        self._writer.transport.resume_reading()  # type: ignore[attr-defined]

    def close(self) -> None:
        self._writer.close()


class SlowCell:
    """A cell that answers everything at once, but /hold only when `let_go` is set.

    /big is BIG_BYTES long, /huge HUGE_BYTES; a POST to /huge is read to its end.
    """

    def __init__(self) -> None:
        self.holding = 0
        self.let_go = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._serving: dict[asyncio.Task[None] | None, asyncio.StreamWriter] = {}

    async def start(self, port: int) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port)

    async def close(self) -> None:
        self.let_go.set()
        assert self._server is not None
        self._server.close()
        for writer in self._serving.values():
            writer.close()
        await asyncio.gather(*filter(None, self._serving))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._serving[asyncio.current_task()] = writer
        with suppress(EOFError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                if head.startswith(b"GET /hold "):
                    self.holding += 1
                    await self.let_go.wait()
                    self.holding -= 1
                if head.startswith(b"GET /huge "):
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % HUGE_BYTES)
                    await write_huge(writer)
                    continue
                if head.startswith(b"POST /huge "):
                    await read_huge(reader)
                body = bytes(BIG_BYTES) if head.startswith(b"GET /big ") else b"ok"
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        writer.close()
