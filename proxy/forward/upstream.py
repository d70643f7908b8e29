"""One connection to a cell: writes a request, reads the reply strictly, tells the exchange what came."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, cast

from proxy.forward.outbox import Outlet
from proxy.forward.untaken import Untaken
from proxy.kernel.reset import reset
from proxy.wire.chunked import ChunkedDecoder
from proxy.wire.fields import MAX_HEAD_BYTES
from proxy.wire.framing import CHUNKED, LENGTH, NO_BODY, UNTIL_CLOSE
from proxy.wire.reply import ReplyHead, broken_beginning, parse_reply_head

if TYPE_CHECKING:
    from proxy.forward.pool import Pool
    from proxy.forward.reply_flow import ReplyFlow

WINDOW_BYTES: Final = 65536
_LOW_BYTES: Final = 16384
_INTERIM_AT_ONCE: Final = 64
"""In what one read brings. A cell that floods its edge with them must not take the loop from the others."""

_NO_LINES: Final[list[bytes]] = []

# Phases of a connection.
IDLE: Final = 0
_AWAIT_HEAD: Final = 1
_IN_BODY: Final = 2
_GONE: Final = 3


class Upstream:
    """An asyncio protocol on a connection to a cell. Carries one exchange at a time.

    idle_since_s    the pool's
    phase           IDLE while it may be given an exchange
    """

    __slots__ = (
        "_begun",
        "_decoder",
        "_done",
        "_exchange",
        "_framing",
        "_left",
        "_outlet",
        "_pool",
        "_problem",
        "_read_paused",
        "_reusable",
        "_trailers",
        "_transport",
        "_untaken",
        "idle_since_s",
        "phase",
        "reused",
        "write_paused",
    )

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._transport: asyncio.Transport | None = None
        self._outlet = Outlet(pool.outbox)
        self._exchange: ReplyFlow | None = None
        self.phase = IDLE
        self._begun: bytearray | None = None  # a head that came in pieces
        self._framing = NO_BODY
        self._left = 0
        self._decoder: ChunkedDecoder | None = None
        self._read_paused = False
        self._reusable = True
        self._done = False
        self._trailers = _NO_LINES
        self._problem = ""
        self._untaken = Untaken()
        self.idle_since_s = 0.0
        self.reused = False
        self.write_paused = False

    def itself(self) -> Upstream:
        """The protocol factory that asyncio asks for."""
        return self

    # What the exchange asks for.

    def send(self, exchange: ReplyFlow, data: bytes) -> None:
        """Begin an exchange: `data` is the head and what there is of the body."""
        self._exchange = exchange
        self.phase = _AWAIT_HEAD
        self._outlet.begin(data)

    def send_body(self, data: bytes) -> None:
        """More of the request's body."""
        if self.phase != _GONE:
            self._outlet.write(data)

    def pause(self) -> None:
        """Stop reading: the client takes no more for now."""
        if self._transport is not None and self.phase != _GONE and not self._read_paused:
            self._read_paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read again."""
        if self._transport is not None and self.phase != _GONE and self._read_paused:
            self._read_paused = False
            self._transport.resume_reading()

    def cell_is_stuck(self) -> bool:
        """Look whether the congested cell still takes anything; only looks in a row tell that it doesn't."""
        return self._transport is None or self._untaken.is_stuck(self._transport)

    def abort(self) -> None:
        """End the connection at once; its exchange, if any, hears nothing more of it."""
        self._exchange = None
        self.phase = _GONE
        self._outlet.drop()
        if self._transport is not None:
            self._transport.abort()

    # What asyncio tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(WINDOW_BYTES, _LOW_BYTES)
        self._outlet.attach(self._transport)

    def pause_writing(self) -> None:
        self.write_paused = True
        self._untaken = Untaken()
        if self._exchange is not None:
            self._exchange.on_cell_congested()

    def resume_writing(self) -> None:
        self.write_paused = False
        if self._exchange is not None:
            self._exchange.on_cell_writable()

    def data_received(self, data: bytes) -> None:
        if self.phase == _AWAIT_HEAD:
            if self._outlet.untouched:
                self._answer_nobody()
            elif self._begun is None:
                self._take_heads(data)
            else:
                self._take_more(self._begun, data)
        elif self.phase == _IN_BODY:
            self._take_body(data)
        elif self.phase == IDLE:
            self.abort()  # nobody asked: whatever this is, it must not answer the next request

    def _answer_nobody(self) -> None:
        """Something came before the request has left: it can't be its reply, and must not become it."""
        exchange = self._exchange
        unsent = self._outlet.unsent()
        self.abort()
        if exchange is not None:
            exchange.on_cell_lost(True, unsent)

    def eof_received(self) -> bool:
        if self.phase == IDLE:
            self.phase = _GONE
        elif self.phase == _AWAIT_HEAD and self._outlet.untouched:
            self._answer_nobody()
        return False  # close; connection_lost says the rest

    def connection_lost(self, error: Exception | None) -> None:
        exchange = self._exchange
        phase = self.phase
        unsent = self._outlet.unsent()
        self.phase = _GONE
        self._exchange = None
        self._outlet.drop()
        self._pool.closed(self)
        if exchange is None:
            return
        if phase == _IN_BODY and self._framing == UNTIL_CLOSE and error is None:
            exchange.on_reply_body(b"", True, _NO_LINES)
        else:
            exchange.on_cell_lost(phase == _AWAIT_HEAD and self._begun is None, unsent)

    # The reply.

    def _take_more(self, begun: bytearray, data: bytes) -> None:
        """More of a head came: only the new part is searched for its end, be it sent byte by byte.

        All is looked at once more when the status line may have ended.
        """
        searched = max(0, len(begun) - 3)
        look = b"\n" in data and b"\n" not in begun
        begun += data
        if look or len(begun) > MAX_HEAD_BYTES or begun.find(b"\r\n\r\n", searched) >= 0:
            self._begun = None
            self._take_heads(bytes(begun))

    def _take_heads(self, data: bytes) -> None:
        """Take interim replies and the final head from what arrived."""
        exchange = self._exchange
        interim = 0
        while exchange is not None:
            end = data.find(b"\r\n\r\n") + 4
            if end == 3:
                self._begun = bytearray(data) if data else None
                problem = broken_beginning(data)
                if problem:
                    exchange.on_broken_reply(problem)
                return
            reply = parse_reply_head(data[:end], exchange.head.method == b"HEAD")
            if isinstance(reply, str):
                exchange.on_broken_reply(reply)
                return
            data = data[end:]
            if reply.status >= 200:
                self.phase = _IN_BODY
                self._reusable = reply.keep_alive
                if reply.framing == LENGTH and reply.content_length == len(data):
                    exchange.on_reply(reply, data, True, _NO_LINES)
                else:
                    self._begin_body(exchange, reply, data)
                return
            if reply.status == 101:
                exchange.on_broken_reply("switched protocols without being asked")
                return
            interim += 1
            if interim > _INTERIM_AT_ONCE:
                exchange.on_broken_reply(f"more than {_INTERIM_AT_ONCE} interim replies at once")
                return
            exchange.on_interim(reply)
            exchange = self._exchange

    def _begin_body(self, exchange: ReplyFlow, reply: ReplyHead, data: bytes) -> None:
        """The final head is there, with the beginning of its body or more than it."""
        self._framing = reply.framing
        self._left = reply.content_length if reply.framing == LENGTH else 0
        self._decoder = ChunkedDecoder() if reply.framing == CHUNKED else None
        self._done = reply.framing == NO_BODY
        self._trailers = _NO_LINES
        body = self._decode(data) if data or self._left == 0 else b""
        if self._problem:
            exchange.on_broken_reply(self._problem)
        else:
            self._mind_backlog()
            exchange.on_reply(reply, body, self._done, self._trailers)

    def _mind_backlog(self) -> None:
        """Go on in the next turn with what came in more small chunks than one turn should bear."""
        if self._decoder is not None and self._decoder.backlog:
            self.pause()
            asyncio.get_running_loop().call_soon(self._decode_on)

    def _decode_on(self) -> None:
        decoder = self._decoder
        if self.phase == _IN_BODY and decoder is not None and decoder.backlog:
            self.resume()
            self._take_body(b"")

    def _take_body(self, data: bytes) -> None:
        exchange = self._exchange
        if exchange is None:
            return
        body = self._decode(data)
        if self._problem:
            exchange.on_broken_reply(self._problem)
            return
        self._mind_backlog()
        if body or self._done:
            exchange.on_reply_body(body, self._done, self._trailers)

    def _decode(self, data: bytes) -> bytes:
        """The body's data in what arrived; notes its end, and whether more came than belongs to it."""
        framing = self._framing
        if framing == LENGTH or framing == NO_BODY:
            left = self._left
            if len(data) > left:
                self._reusable = False
                data = data[:left]
            left -= len(data)
            self._left = left
            self._done = left == 0
            return data
        decoder = self._decoder
        if decoder is None:
            return data
        if decoder.feed(data):
            self._reusable = False
        self._done = decoder.done
        self._trailers = decoder.trailers
        self._problem = decoder.problem
        return b"".join(decoder.pieces)

    def end_exchange(self, request_complete: bool) -> None:
        """The reply is complete: back to the pool, or away with the connection if it can't be trusted."""
        self._exchange = None
        if self.phase == _GONE:
            return
        if self._reusable and request_complete and not self.write_paused:
            self.phase = IDLE
            if self._read_paused:
                self.resume()
            self.reused = True
            self._pool.give_back(self)
        else:
            self._discard()

    def _discard(self) -> None:
        """Nothing of it matters any more, and there may be many such (HEAD): none must keep a port."""
        self.phase = _GONE
        self._outlet.drop()
        if self._transport is not None:
            reset(self._transport)
