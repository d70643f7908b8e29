"""One client connection: requests one at a time and in order, backpressure, time limits, closing."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from typing import Final, cast

from proxy import errors
from proxy.errors import Refusal
from proxy.forward.edge import Edge
from proxy.forward.journey import Journey
from proxy.forward.outbox import Outlet
from proxy.forward.wheel import NEVER_S, Timed
from proxy.kernel.send_queue import unacknowledged_bytes
from proxy.observe.access_log import AccessRecord
from proxy.wire.fields import MAX_HEAD_BYTES
from proxy.wire.ids import REQUEST_ID_DIGITS
from proxy.wire.own_reply import OwnReply, problem_reply
from proxy.wire.request import parse_request_head
from proxy.wire.rewrite import Peer
from proxy.wire.start_line import diagnose_unfinished
from proxy.wire.unfinished import UnfinishedHead

WINDOW_BYTES: Final = 65536
_LOW_BYTES: Final = 16384
_LOOKAHEAD_BYTES: Final = 65536
_SERVED_AT_ONCE: Final = 64
"""Requests of one connection in one turn of the loop, which others must have their part in."""

_LINGER_S: Final = 2.0
_ALL_BYTES: Final = 1 << 62
_READER_LOOKS: Final = 4
"""Looks at a reader in the time in which it must have taken something."""

_RESET: Final = struct.pack("ii", 1, 0)

_CR: Final = 13

# Phases of a connection.
_HEAD: Final = 0
_EXCHANGE: Final = 1
_LINGER: Final = 2
_GONE: Final = 3

# Why reading is held, as bits.
_CONGESTED: Final = 1
_PENDING: Final = 2
_LOOKAHEAD: Final = 4
_TURN: Final = 8


class Downstream(Timed):
    """An asyncio protocol on a connection from a client.

    outlet          takes what goes to the client
    peer            who is there
    write_paused    the client takes no more for now
    """

    __slots__ = (
        "_buffer",
        "_edge",
        "_ended",
        "_fruitless_looks",
        "_holds",
        "_journey",
        "_more",
        "_phase",
        "_serving",
        "_transport",
        "_untaken_bytes",
        "outlet",
        "peer",
        "write_paused",
    )

    def __init__(self, edge: Edge) -> None:
        super().__init__()
        self._edge = edge
        self._transport: asyncio.Transport | None = None
        self.outlet = Outlet(edge.outbox)
        self._journey: Journey | None = None
        self._phase = _HEAD
        self._buffer = b""
        self._more: UnfinishedHead | None = None  # of the buffer, and all that followed
        self._holds = 0
        self._serving = False
        self._ended = False
        self._untaken_bytes = _ALL_BYTES
        self._fruitless_looks = 0
        self.peer = Peer("", False)
        self.write_paused = False

    @property
    def idle(self) -> bool:
        """Whether no request is under way, none has begun to arrive, and all replies have left."""
        transport = self._transport
        if self._phase != _HEAD or self._buffer or transport is None:
            return False
        return self.outlet.empty and transport.get_write_buffer_size() == 0

    # What asyncio tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        edge = self._edge
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(WINDOW_BYTES, _LOW_BYTES)
        self.outlet.attach(self._transport)
        address = _address(transport.get_extra_info("peername"))
        self.peer = Peer(address, edge.trusts(address))
        edge.connections.add(self)
        edge.meters.connected()
        if len(edge.connections) > edge.connection_limit:
            self._refuse(Refusal(errors.OUT_OF_RESOURCES, "too many connections"))
        else:
            edge.wheel.set_deadline(self, edge.timeouts.head_s)

    def data_received(self, data: bytes) -> None:
        phase = self._phase
        if phase == _HEAD:
            begun = not self._buffer
            if begun:
                self._buffer = data
                self._serve()
            elif self._keep(data):
                self._serve()
            if self._buffer and self._phase == _HEAD:
                self._await_rest(begun)
        elif phase == _EXCHANGE:
            journey = self._journey
            if journey is not None and journey.body_missing():
                data = journey.body_arrived(data)
            if data:
                self._look_ahead(data)

    def _await_rest(self, begun: bool) -> None:
        """There is a head's beginning, or there are requests that the client takes no replies to for now."""
        if begun:
            self._edge.wheel.set_deadline(self, self._edge.timeouts.head_s)
        if self.write_paused and self._kept_bytes() > _LOOKAHEAD_BYTES:
            self._hold(_LOOKAHEAD)

    def eof_received(self) -> bool:
        """The client sends no more, but may still read: what is under way is finished, then closed."""
        self._ended = True
        self.outlet.flush()
        if self._journey is not None:
            return not self._journey.body_missing()
        return self._phase == _HEAD and self.write_paused and bool(self._buffer)

    def connection_lost(self, _error: Exception | None) -> None:
        edge = self._edge
        self._phase = _GONE
        self.outlet.drop()
        self.deadline_s = NEVER_S
        edge.connections.discard(self)
        edge.meters.disconnected()
        journey = self._journey
        self._journey = None
        if journey is not None:
            journey.on_client_gone()

    def pause_writing(self) -> None:
        self.write_paused = True
        if self._journey is not None:
            self._journey.on_client_congested()

    def resume_writing(self) -> None:
        self.write_paused = False
        if self._journey is not None:
            self._journey.on_client_writable()
        else:
            self._release(_LOOKAHEAD)
            self._serve()

    def on_deadline(self) -> None:
        """A time limit passed: which one depends on what the connection waits for."""
        if self._phase == _EXCHANGE and self._journey is not None:
            self._journey.on_deadline()
        elif self._phase == _HEAD and self._received().strip(b"\r\n") and not self.write_paused:
            self._refuse(Refusal(errors.REQUEST_TIMEOUT, "the request's head came too slowly"))
        elif self._phase == _HEAD:
            self.close()
        elif self._phase == _LINGER:
            self._linger_on()

    # Requests, one after the other.

    def _serve(self) -> None:
        """Begin requests while there are any; a request that ends at once lets the loop go on."""
        if self._serving:
            return
        self._serving = True
        served = 0
        while self._phase == _HEAD and self._buffer and not self.write_paused and self._take_head():
            served += 1
            if served == _SERVED_AT_ONCE:
                self.hold_turn()
                self._edge.loop.call_soon(self._serve_on)
                break
        self._serving = False
        if served < _SERVED_AT_ONCE and self._ended and self._phase == _HEAD and not self.write_paused:
            self.close()  # what there is of a head will never be complete

    def _serve_on(self) -> None:
        if self._phase < _LINGER:
            self.release_turn(b"")

    def _take_head(self) -> bool:
        """Begin the request at the start of the buffer; False if its head is not complete or was refused."""
        data = self._buffer if self._more is None else self._received()
        if data[0] == _CR and data.startswith(
            b"\r\n"
        ):  # one empty line before a request is forgiven (RFC 9112 section 2.2)
            data = data[2:]
        end = data.find(b"\r\n\r\n") + 4
        if end == 3 or end > MAX_HEAD_BYTES:
            refusal = diagnose_unfinished(data if end == 3 else data[: end - 4])
            if refusal is None and end > 3:
                refusal = Refusal(errors.HEAD_TOO_LARGE, f"the head has more than {MAX_HEAD_BYTES} bytes")
            if refusal is not None:
                self._refuse(refusal)
            return False
        if end == len(data):
            rest = b""
        else:
            rest = data[end:]
            data = data[:end]
        head = parse_request_head(data)
        if isinstance(head, Refusal):
            self._refuse(head)
            return False
        self._phase = _EXCHANGE
        self._buffer = b""
        self._journey = journey = Journey(self._edge, self, head)
        rest = journey.begin(rest)
        if rest and self._phase < _LINGER:
            self._look_ahead(rest)
        return True

    def _look_ahead(self, data: bytes) -> None:
        """Keep what came of the next requests; a client that sends too far ahead is read no further."""
        self._keep(data)
        if self._phase == _HEAD:
            self._edge.wheel.set_deadline(self, self._edge.timeouts.head_s)
        elif self._kept_bytes() > _LOOKAHEAD_BYTES and self._phase == _EXCHANGE:
            self._hold(_LOOKAHEAD)

    def _keep(self, data: bytes) -> bool:
        """Put it behind what came before; whether there may be more to be understood now."""
        if not self._buffer:
            self._buffer = data
            return True
        if self._more is None:
            self._more = UnfinishedHead(self._buffer)
        return self._more.add(data)

    def _kept_bytes(self) -> int:
        return len(self._buffer) if self._more is None else len(self._more)

    def _received(self) -> bytes:
        """All that came and was not understood yet, in one piece."""
        if self._more is not None:
            self._buffer = self._more.take()
            self._more = None
        return self._buffer

    def exchange_over(self, keep_alive: bool) -> None:
        """The journey has finished: on to the next request, or to the end of the connection."""
        self._journey = None
        if self._phase != _EXCHANGE:
            return
        self._phase = _HEAD
        if self._holds:
            self._release(_CONGESTED | _PENDING | _LOOKAHEAD)
        if not keep_alive or (self._ended and not self._buffer and not self._serving):
            self.close()
            return
        timeouts = self._edge.timeouts
        self._edge.wheel.set_deadline(self, timeouts.head_s if self._buffer else timeouts.idle_s)
        if self._buffer:
            self._serve()

    def _refuse(self, refusal: Refusal) -> None:
        """Answer what never became a request; its framing is not known, so the connection ends."""
        edge = self._edge
        problem = refusal.problem
        own = OwnReply(edge.ids.take(REQUEST_ID_DIGITS), False)
        self.outlet.write(problem_reply(problem, refusal.detail, own))
        edge.meters.refused(problem.slug)
        edge.meters.none.reply(problem.status, 0.0)
        edge.access_log.note(_refused_record(self.peer.address, problem.status, problem.slug, own.request_id))
        self.close()

    # Output and closing.

    def close(self) -> None:
        """End the connection after what was written; input that still comes is read and dropped.

        Closing with unread input would reset the connection, and the client might never see the reply.
        """
        transport = self._transport
        if transport is None or self._phase >= _LINGER:
            return
        self._phase = _LINGER
        self._buffer = b""
        self._more = None
        if self._holds:
            self._release(_CONGESTED | _PENDING | _LOOKAHEAD | _TURN)
        self.outlet.flush()
        if self._ended:
            transport.close()
        else:
            transport.write_eof()
        self._edge.wheel.set_deadline(self, _LINGER_S)

    def _linger_on(self) -> None:
        """The client had its time: close, unless it is still reading; reset if it has stopped to.

        Once all was handed to the kernel, closing loses nothing: a slow client gets the rest all the same.
        """
        transport = self._transport
        if transport is not None and transport.get_write_buffer_size() == 0:
            transport.close()
        elif self.reader_is_stuck():
            self.abort()

    # A client that reads slowly.

    def watch_reader(self) -> None:
        """The client takes no more for now; `on_deadline` will tell when to ask whether it is stuck."""
        self._untaken_bytes = _ALL_BYTES
        self._fruitless_looks = 0
        self._look_at_reader_later()

    def reader_is_stuck(self) -> bool:
        """Whether the client took nothing for as long as `body_s`; if it isn't, it is looked at again later.

        The kernel's share counts too: what leaves the transport may go no further than there.
        """
        transport = self._transport
        if transport is None:
            return True
        sock: socket.socket = transport.get_extra_info("socket")
        untaken_bytes = transport.get_write_buffer_size() + unacknowledged_bytes(sock)
        self._fruitless_looks = 0 if untaken_bytes < self._untaken_bytes else self._fruitless_looks + 1
        self._untaken_bytes = untaken_bytes
        if self._fruitless_looks == _READER_LOOKS:
            return True
        self._look_at_reader_later()
        return False

    def _look_at_reader_later(self) -> None:
        self._edge.wheel.set_deadline(self, self._edge.timeouts.body_s / _READER_LOOKS)

    def abort(self) -> None:
        """Reset the connection, so that what was sent can't be taken for a whole reply."""
        transport = self._transport
        if transport is None or self._phase == _GONE:
            return
        self._phase = _GONE
        self.outlet.drop()
        sock = transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        transport.abort()

    # Backpressure on the client.

    def hold_congested(self) -> None:
        """Read no further: the cell takes no more of the body."""
        self._hold(_CONGESTED)

    def release_congested(self) -> None:
        """The cell takes more again."""
        self._release(_CONGESTED)

    def hold_pending(self) -> None:
        """Read no further: the body waits for a connection to the cell."""
        self._hold(_PENDING)

    def release_pending(self) -> None:
        """The body is on its way."""
        self._release(_PENDING)

    def hold_turn(self) -> None:
        """Read no further: the rest of what came waits for the next turn of the loop."""
        self._hold(_TURN)

    def release_turn(self, rest: bytes) -> None:
        """It was its turn; `rest` follows what was held back."""
        if rest and self._phase < _LINGER:
            self._look_ahead(rest)
        self._release(_TURN)
        if self._phase == _HEAD:
            self._serve()

    def _hold(self, reason: int) -> None:
        if not self._holds and self._transport is not None:
            self._transport.pause_reading()
        self._holds |= reason

    def _release(self, reasons: int) -> None:
        if self._holds:
            self._holds &= ~reasons
            if not self._holds and self._transport is not None and self._phase != _GONE:
                self._transport.resume_reading()


def _address(peername: object) -> str:
    """An IP literal; IPv4 as such, also behind a listener for both versions; "unix" where there is none."""
    if not isinstance(peername, tuple):
        return "unix"
    address = str(peername[0])
    return address[7:] if address.startswith("::ffff:") and "." in address else address


def _refused_record(client: str, status: int, slug: str, request_id: bytes) -> AccessRecord:
    return (time.time(), client, b"", b"", status, "", -1, -1, slug, 0.0, 0, 0, request_id, 0, 0)
