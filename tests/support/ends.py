"""One end of a TCP connection in a test's hand: sends exactly the bytes it is told, keeps what it gets."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import Final, cast

PATIENCE_S: Final = 30.0
"""How long a test waits for what must happen. Nothing waits this long unless the test is going to fail."""

_RESET: Final = struct.pack("ii", 1, 0)


class End(asyncio.Protocol):
    """An end that never closes by itself, so that a test can see who closed first.

    received    what came and was not taken yet
    at_end      the other side sent FIN
    reset       the other side reset the connection
    gone        nothing can be sent or received any more
    """

    def __init__(self, on_made: Callable[[End], None] = lambda _end: None) -> None:
        self._on_made = on_made
        self.received = bytearray()
        self.at_end = False
        self.reset = False
        self.gone = False
        self._changed = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._transport: asyncio.Transport | None = None

    # What asyncio tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._on_made(self)

    def data_received(self, data: bytes) -> None:
        self.received += data
        self._changed.set()

    def eof_received(self) -> bool:
        self.at_end = True
        self._changed.set()
        return True

    def connection_lost(self, error: Exception | None) -> None:
        self.gone = True
        self.reset = self.reset or isinstance(error, ConnectionError)
        self._changed.set()
        self._writable.set()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    @property
    def transport(self) -> asyncio.Transport:
        assert self._transport is not None, "the connection was never made"
        return self._transport

    # What a test says.

    def send(self, *pieces: bytes) -> None:
        """Send all of it in one go; into the void when the connection was reset meanwhile."""
        if not self.gone:
            self.transport.write(b"".join(pieces))

    async def send_in_bytes(self, data: bytes) -> None:
        """Send it octet by octet, the loop running after each, so that they arrive one at a time."""
        for index in range(len(data)):
            self.send(data[index : index + 1])
            await asyncio.sleep(0)

    async def flow(self, data: bytes) -> None:
        """Send more, waiting while the other side takes nothing."""
        self.send(data)
        await self._writable.wait()

    def finish(self) -> None:
        """Send FIN; receiving goes on."""
        self.transport.write_eof()

    def close(self) -> None:
        """Close both ways."""
        self.transport.close()

    def break_off(self) -> None:
        """Reset the connection, unless it is over."""
        if self.gone:
            return
        sock = self.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.transport.abort()

    def stop_reading(self) -> None:
        self.transport.pause_reading()

    def go_on_reading(self) -> None:
        self.transport.resume_reading()

    # What a test insists on.

    async def expect(self, *pieces: bytes) -> None:
        """Exactly these bytes come next; fails at the first that differs."""
        wanted = b"".join(pieces)
        await self._until(lambda: self._is_or_differs(wanted), lambda: f"waited for {wanted!r}")
        got = bytes(self.received[: len(wanted)])
        assert got == wanted, f"\n     got {bytes(self.received[:1000])!r}\nexpected {wanted[:1000]!r}"
        del self.received[: len(wanted)]

    def _is_or_differs(self, wanted: bytes) -> bool:
        size = min(len(self.received), len(wanted))
        return size == len(wanted) or self.received[:size] != wanted[:size] or self.at_end or self.gone

    async def take(self, count: int) -> bytes:
        """The next `count` bytes."""
        await self._until(lambda: len(self.received) >= count, lambda: f"waited for {count} bytes")
        taken = bytes(self.received[:count])
        del self.received[:count]
        return taken

    async def take_to(self, ending: bytes) -> bytes:
        """Everything up to and with the next occurrence of `ending`."""
        await self._until(lambda: ending in self.received, lambda: f"waited for {ending!r}")
        return await self.take(self.received.find(ending) + len(ending))

    async def take_head(self) -> bytes:
        """Everything up to the end of the next head."""
        return await self.take_to(b"\r\n\r\n")

    async def rest(self) -> bytes:
        """What comes until FIN; fails when the connection is reset instead."""
        await self._until(lambda: self.at_end or self.gone, lambda: "waited for the end")
        assert not self.reset, f"reset after {bytes(self.received[:1000])!r}"
        return self._take_all()

    async def expect_end(self) -> None:
        """FIN comes next, and nothing before it."""
        assert await self.rest() == b""

    async def until_cut(self) -> bytes:
        """What came before the connection ended, by FIN or by reset."""
        await self._until(lambda: self.at_end or self.gone, lambda: "waited for the end")
        return self._take_all()

    async def until_reset(self) -> bytes:
        """What came before the reset; fails when the connection ends cleanly."""
        await self._until(lambda: self.at_end or self.gone, lambda: "waited for a reset")
        assert self.reset, f"ended cleanly after {bytes(self.received[:1000])!r}"
        return self._take_all()

    def _take_all(self) -> bytes:
        taken = bytes(self.received)
        self.received.clear()
        return taken

    async def _until(self, condition: Callable[[], bool], what: Callable[[], str]) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not condition():
                    if self.gone:
                        break
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            pass
        if not condition():
            came = bytes(self.received[:400])
            state = "gone" if self.gone else "ended" if self.at_end else "open"
            raise AssertionError(f"{what()[:400]}; the connection is {state}; came: {came!r}")


async def until(condition: Callable[[], bool], what: str) -> None:
    """Return as soon as the condition holds; fails, naming `what`, when it never does."""
    deadline_s = asyncio.get_running_loop().time() + PATIENCE_S
    while not condition():
        if asyncio.get_running_loop().time() > deadline_s:
            raise AssertionError(f"never came true: {what}")
        await asyncio.sleep(0.0005)
