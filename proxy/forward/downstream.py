"""One client connection: what asyncio tells of it, and its requests, one at a time and in order."""

from __future__ import annotations

import asyncio
import time
from typing import Final, cast

from proxy import errors
from proxy.errors import Problem, Refusal
from proxy.forward.closing import Closing
from proxy.forward.edge import Edge
from proxy.forward.journey import Journey
from proxy.forward.reading import CONGESTED, EXCHANGE, GONE, HEAD, LINGER, LOOKAHEAD, PENDING, TURN
from proxy.forward.wheel import NEVER_S
from proxy.observe.access_log import AccessRecord
from proxy.wire.fields import MAX_HEAD_BYTES
from proxy.wire.ids import REQUEST_ID_DIGITS
from proxy.wire.own_reply import OwnReply, problem_reply
from proxy.wire.request import parse_request_head
from proxy.wire.rewrite import Peer
from proxy.wire.start_line import diagnose_unfinished

WINDOW_BYTES: Final = 65536
_LOW_BYTES: Final = 16384
_LOOKAHEAD_BYTES: Final = 65536
_SERVED_AT_ONCE: Final = 64
"""Requests of one connection in one turn of the loop, which others must have their part in."""

LINGERING_REFUSED: Final = 16
"""Clients beyond the limit of connections that get time to read why, at once. Who else comes is told, too,
but closed in the same turn, and may see a reset in place of it: the limit must hold whatever clients do."""

_CR: Final = 13


class Downstream(Closing):
    """An asyncio protocol on a connection from a client.

    peer            who is there
    write_paused    the client takes no more for now
    """

    __slots__ = ("_journey", "_serving", "peer", "write_paused")

    def __init__(self, edge: Edge) -> None:
        super().__init__(edge)
        self._journey: Journey | None = None
        self._serving = False
        self.peer = Peer("", False)
        self.write_paused = False

    @property
    def idle(self) -> bool:
        """Whether no request is under way, none has begun to arrive, and all replies have left."""
        transport = self.transport
        if self.phase != HEAD or self.buffer or transport is None:
            return False
        return self.outlet.empty and transport.get_write_buffer_size() == 0

    # What asyncio tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        edge = self.edge
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(WINDOW_BYTES, _LOW_BYTES)
        self.outlet.attach(self.transport)
        address = _address(transport.get_extra_info("peername"))
        self.peer = Peer(address, edge.trusts(address))
        edge.connections.add(self)
        edge.meters.connected()
        beyond = len(edge.connections) - edge.connection_limit
        if beyond > 0:
            self._refuse(Refusal(errors.OUT_OF_RESOURCES, "too many connections"))
            if beyond > LINGERING_REFUSED:
                self.transport.close()
        else:
            edge.wheel.set_deadline(self, edge.timeouts.head_s)

    def data_received(self, data: bytes) -> None:
        phase = self.phase
        if phase == HEAD:
            begun = not self.buffer
            if begun:
                self.buffer = data
                self._serve()
            elif self.keep(data):
                self._serve()
            if self.buffer and self.phase == HEAD:
                self._await_rest(begun)
        elif phase == EXCHANGE:
            journey = self._journey
            if journey is not None and journey.body_missing():
                data = journey.body_arrived(data)
            if data:
                self._look_ahead(data)

    def _await_rest(self, begun: bool) -> None:
        """There is a head's beginning, or there are requests that the client takes no replies to for now."""
        if begun:
            self.edge.wheel.set_deadline(self, self.edge.timeouts.head_s)
        if self.write_paused and self.kept_bytes() > _LOOKAHEAD_BYTES:
            self.hold(LOOKAHEAD)

    def eof_received(self) -> bool:
        """The client sends no more, but may still read: what is under way is finished, then closed."""
        self.ended = True
        self.outlet.flush()
        if self._journey is not None:
            return not self._journey.body_missing()
        return self.phase == HEAD and self.write_paused and bool(self.buffer)

    def connection_lost(self, _error: Exception | None) -> None:
        edge = self.edge
        self.phase = GONE
        self.outlet.drop()
        self.transport = None  # the wheel keeps this object for a while
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
            self.release(LOOKAHEAD)
            if self.phase == HEAD:
                timeouts = self.edge.timeouts
                self.edge.wheel.set_deadline(self, timeouts.head_s if self.buffer else timeouts.idle_s)
            self._serve()

    def on_deadline(self) -> None:
        """A time limit passed: which one depends on what the connection waits for."""
        if self.phase == EXCHANGE and self._journey is not None:
            self._journey.on_deadline()
        elif self.phase == HEAD and self.received().strip(b"\r\n") and not self.write_paused:
            self._refuse(Refusal(errors.REQUEST_TIMEOUT, "the request's head came too slowly"))
        elif self.phase == HEAD:
            if not (self.write_paused and self.buffer) or self.reader_is_stuck():
                self.close()
        elif self.phase == LINGER:
            self.linger_on()

    def on_cells_taken_out(self) -> None:
        """Cells were flagged down; what waits for one of them need not wait any longer."""
        if self._journey is not None:
            self._journey.on_cells_taken_out()

    def cut(self) -> None:
        """The worker ends before what is under way here has finished."""
        if self._journey is None:
            self.abort()
        else:
            self._journey.on_drain_cut()

    # Requests, one after the other.

    def _serve(self) -> None:
        """Begin requests while there are any; a request that ends at once lets the loop go on."""
        if self._serving:
            return
        self._serving = True
        served = 0
        while self.phase == HEAD and self.buffer and not self.write_paused and self._take_head():
            served += 1
            if served == _SERVED_AT_ONCE:
                self.hold_turn()
                self.edge.loop.call_soon(self._serve_on)
                break
        self._serving = False
        if served < _SERVED_AT_ONCE and self.ended:
            self._end_unfinished()

    def _end_unfinished(self) -> None:
        """The client sends no more: what there is of a head, or of a body, will never be complete."""
        journey, transport = self._journey, self.transport
        if self.phase == HEAD:
            if not self.write_paused:
                self.close()
        elif journey is not None and journey.body_missing() and not self.holds & TURN and transport:
            self.outlet.flush()
            transport.close()

    def _serve_on(self) -> None:
        if self.phase < LINGER:
            self.release_turn(b"")

    def _take_head(self) -> bool:
        """Begin the request at the start of the buffer; False if its head is not complete or was refused."""
        data = self.buffer if self.more is None else self.received()
        if data[0] == _CR and data.startswith(b"\r\n"):
            data = data[2:]  # one empty line before a request is forgiven (RFC 9112 section 2.2)
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
        self.phase = EXCHANGE
        self.buffer = b""
        self._journey = journey = Journey(self.edge, self, head)
        rest = journey.begin(rest)
        if rest and self.phase < LINGER:
            self._look_ahead(rest)
        return True

    def _look_ahead(self, data: bytes) -> None:
        """Keep what came of the next requests; a client that sends too far ahead is read no further."""
        self.keep(data)
        if self.phase == HEAD:
            self.edge.wheel.set_deadline(self, self.edge.timeouts.head_s)
        elif self.kept_bytes() > _LOOKAHEAD_BYTES and self.phase == EXCHANGE:
            self.hold(LOOKAHEAD)

    def exchange_over(self, keep_alive: bool) -> None:
        """The journey has finished: on to the next request, or to the end of the connection."""
        self._journey = None
        if self.phase != EXCHANGE:
            return
        self.phase = HEAD
        if self.holds:
            self.release(CONGESTED | PENDING | LOOKAHEAD)
        if not keep_alive or (self.ended and not self.buffer and not self._serving):
            self.close()
            return
        timeouts = self.edge.timeouts
        self.edge.wheel.set_deadline(self, timeouts.head_s if self.buffer else timeouts.idle_s)
        if self.buffer:
            self._serve()

    def _refuse(self, refusal: Refusal) -> None:
        """Answer what never became a request; its framing is not known, so the connection ends."""
        edge = self.edge
        problem = refusal.problem
        own = OwnReply(edge.ids.take(REQUEST_ID_DIGITS), False, edge.dates.at(time.time()))
        reply = problem_reply(problem, refusal.detail, own)
        self.outlet.write(reply)
        edge.meters.refused(problem.slug)
        edge.meters.none.refused_head(problem.status)
        body_bytes = len(reply) - reply.find(b"\r\n\r\n") - 4
        edge.access_log.note(_refused_record(self.peer.address, problem, body_bytes, own.request_id))
        self.close()

    def release_turn(self, rest: bytes) -> None:
        """It was its turn; `rest` follows what was held back."""
        if rest and self.phase < LINGER:
            self._look_ahead(rest)
        self.release(TURN)
        if self.phase == HEAD:
            self._serve()


def _address(peername: object) -> str:
    """An IP literal; IPv4 as such, also behind a listener for both versions; "unix" where there is none."""
    if not isinstance(peername, tuple):
        return "unix"
    address = str(peername[0])
    return address[7:] if address.startswith("::ffff:") and "." in address else address


def _refused_record(client: str, problem: Problem, body_bytes: int, request_id: bytes) -> AccessRecord:
    status, slug = problem.status, problem.slug
    return (time.time(), client, b"", b"", status, "", -1, -1, slug, 0.0, 0, body_bytes, request_id, 0, 0)
