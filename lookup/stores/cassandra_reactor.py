"""The driver's connections on the event loop itself, instead of the driver's own loop on its own thread.

That thread would share the interpreter with the loop: each request wakes it several times (to write, for its
timers, to read), and each answer then wakes the loop. Here a request is written where it is made, and an
answer is read, decoded and handed over in one turn of the loop.

What blocks in the driver (connecting, preparing, shutting down) must run on other threads, as ever: it waits
for what is read here.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import deque
from collections.abc import Callable
from functools import partial
from ssl import SSLWantReadError, SSLWantWriteError
from threading import get_ident
from typing import ClassVar, Final

from cassandra.connection import Connection, ConnectionShutdown

_READ_BYTES: Final = 65_536
_NOT_NOW: Final = (BlockingIOError, InterruptedError, SSLWantReadError, SSLWantWriteError)


_TURNS: Final = 3
"""Of the loop between a timer's end and its call: a loop that was held up runs its timers before it reads."""


def _nothing() -> None:
    """What a cancelled timer calls."""


class LoopTimer:
    """What the driver gets for a timer. Made and cancelled on any thread, called on the loop's.

    It ends a request, or asks another node: an answer that has arrived meanwhile is read first.
    """

    def __init__(self, reactor: type[LoopConnection], after_s: float, callback: Callable[[], object]) -> None:
        self._reactor = reactor
        self._callback = callback
        self._handle: asyncio.Handle | None = None
        self._cancelled = False
        self._turns = _TURNS
        with contextlib.suppress(ConnectionShutdown):  # a loop that has ended has no timers any more
            reactor.on_loop(partial(self._start, after_s))

    def cancel(self) -> None:
        """Never call it, unless it is being called just now. It lets go of whom it would call."""
        self._cancelled = True
        self._callback = _nothing
        if self._handle is not None and self._reactor.is_loop_thread():
            self._handle.cancel()

    def _start(self, after_s: float) -> None:
        self._handle = self._reactor.loop.call_later(max(0.0, after_s), self._end)

    def _end(self) -> None:
        if self._cancelled:
            return
        if self._turns:
            self._turns -= 1
            self._handle = self._reactor.loop.call_soon(self._end)
        else:
            self._callback()


class LoopConnection(Connection):  # type: ignore[misc]  # the driver has no types
    """One connection; its socket is touched by the loop's thread only. Used as `reactor_of` gives it."""

    loop: ClassVar[asyncio.AbstractEventLoop]
    thread: ClassVar[int]
    unclosed: ClassVar[set[LoopConnection]]
    is_closed: bool  # as the driver says it

    def __init__(self, *args: object, **kwargs: object) -> None:
        """Blocks until connected, so it is called on another thread than the loop's."""
        super().__init__(*args, **kwargs)
        self._unsent: deque[bytes] = deque()
        self._waits_to_write = False
        self.unclosed.add(self)
        try:
            self._connect_socket()
        except BaseException:
            self.unclosed.discard(self)
            raise
        self._socket.setblocking(False)
        self._fd: int = self._socket.fileno()
        self.on_loop(self._watch)
        self._send_options_message()

    @classmethod
    def is_loop_thread(cls) -> bool:
        """Whether the caller runs on the loop."""
        return get_ident() == cls.thread

    @classmethod
    def on_loop(cls, call: Callable[[], object]) -> None:
        """At once there, soon from other threads. Raises ConnectionShutdown when the loop has ended."""
        if cls.is_loop_thread():
            call()
            return
        try:
            cls.loop.call_soon_threadsafe(call)
        except RuntimeError as error:
            raise ConnectionShutdown("the event loop has ended") from error

    @classmethod
    def cut(cls) -> None:
        """Let all connections, also those that are being made, fail soon, and so whoever waits for them."""
        for connection in list(cls.unclosed):
            if connection._socket is not None:  # before that the next call gets it
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(connection._socket, socket.SHUT_RDWR)  # TLS has no say in it

    @classmethod
    def create_timer(cls, timeout: float, callback: Callable[[], object]) -> LoopTimer:
        """Connection.create_timer."""
        return LoopTimer(cls, timeout, callback)

    def push(self, data: bytes) -> None:
        """Connection.push: on any thread."""
        self.on_loop(partial(self._write, data))

    def close(self) -> None:
        """Connection.close: on any thread. What is under way fails."""
        with self.lock:
            if self.is_closed:
                return
            self.is_closed = True
        self.unclosed.discard(self)
        try:
            self.on_loop(self._leave)
        except ConnectionShutdown:
            self._socket.close()
        if self.is_defunct:
            return
        closed = ConnectionShutdown(f"the connection to {self.endpoint} was closed")
        self.error_all_requests(closed)
        if not self.connected_event.is_set():  # its maker waits for the greeting's end
            self.last_error = closed
            self.connected_event.set()

    def _watch(self) -> None:
        if not self.is_closed:
            self.loop.add_reader(self._fd, self._readable)

    def _leave(self) -> None:
        self.loop.remove_reader(self._fd)
        self.loop.remove_writer(self._fd)
        self._socket.close()

    def _readable(self) -> None:
        try:
            self._read()
        except _NOT_NOW:
            pass
        except OSError as error:
            self.defunct(error)
        if self._unsent and not self.is_closed:
            self._flush()  # TLS may have had to read before it could write

    def _read(self) -> None:
        """Under TLS until there is nothing left: of what is deciphered already the socket does not tell."""
        is_more = True
        while is_more and not self.is_closed:
            received = self._socket.recv(_READ_BYTES)
            if not received:
                self.close()
                return
            self._iobuf.write(received)
            self.process_io_buffer()
            is_more = self.ssl_context is not None

    def _write(self, data: bytes) -> None:
        if self.is_closed:
            return
        self._unsent.append(data)
        if len(self._unsent) == 1:
            self._flush()

    def _flush(self) -> None:
        unsent = self._unsent
        try:
            while unsent:
                sent = self._socket.send(unsent[0])
                if sent < len(unsent[0]):
                    unsent[0] = unsent[0][sent:]
                else:
                    unsent.popleft()
        except _NOT_NOW:
            self._wait_to_write(True)
        except OSError as error:
            self.defunct(error)
        else:
            self._wait_to_write(False)

    def _wait_to_write(self, waits: bool) -> None:
        if waits and not self._waits_to_write:
            self.loop.add_writer(self._fd, self._flush)
        elif self._waits_to_write and not waits:
            self.loop.remove_writer(self._fd)
        self._waits_to_write = waits


def reactor_of(loop: asyncio.AbstractEventLoop) -> type[LoopConnection]:
    """The class of connections on that loop; called on its thread."""
    own = {"loop": loop, "thread": get_ident(), "unclosed": set()}
    return type("LoopConnection", (LoopConnection,), own)
