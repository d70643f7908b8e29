"""A reply on its way to the client; and losses, stalls and leaving clients while an exchange lasts."""

from __future__ import annotations

from typing import Final

from proxy import errors
from proxy.forward.exchange import CONNECT, DONE, LOOKUP, REPLY, SENT, Exchange
from proxy.forward.untaken import LOOKS
from proxy.forward.upstream import Upstream
from proxy.wire.chunked import encode_chunk, encode_end
from proxy.wire.framing import CHUNKED, UNTIL_CLOSE
from proxy.wire.reply import NotMineHead, ReplyHead
from proxy.wire.rewrite import head_for_client

_NO_LINES: Final[list[bytes]] = []
CLIENT_CLOSED: Final = 499
_DRAIN_CUT: Final = "drain-cut"
_MISDIRECTED: Final = 421


class ReplyFlow(Exchange):
    """The way back. `Upstream` and `Downstream` tell what happens on the two connections."""

    __slots__ = ()

    # What the cell's connection tells.

    def on_cell_congested(self) -> None:
        """The cell takes no more of the body for now."""
        self.down.hold_congested()
        if self.state == SENT:
            self._look_at_cell_later()

    def on_cell_writable(self) -> None:
        """The cell takes more again; the time that it took none was not the client's."""
        if self.state == SENT:
            timeouts = self.edge.timeouts
            late_s = timeouts.body_s if self.body_missing() else timeouts.request_s
            self.edge.wheel.set_deadline(self.down, late_s)
        self.down.release_congested()

    def on_interim(self, reply: ReplyHead) -> None:
        """A 1xx came: passed on if the client understands it, has room for it and, if a 100, waits for it."""
        head = self.head
        if reply.status == 100:
            if not head.expects_continue:
                return
            head.expects_continue = False  # from now on it is the client that is waited for
            if self.body_missing():
                self.edge.wheel.set_deadline(self.down, self.edge.timeouts.body_s)
        elif self.down.write_paused:
            return  # a hint that the client can't take now is worth no memory
        if head.minor == 1:
            self.hinted = True
            self.down.outlet.write(b"".join((reply.start, reply.block, b"\r\n")))

    def on_reply(self, reply: ReplyHead, data: bytes, done: bool, trailers: list[bytes]) -> None:
        """The final head came, with the beginning of its body or (`done`) all of it."""
        if self.state != SENT:
            raise self.illegal(REPLY)
        if reply.status == _MISDIRECTED and isinstance(reply, NotMineHead):
            self.on_not_mine(reply, done)
            return
        self.state = REPLY
        head = self.head
        self.status = reply.status
        framing = reply.framing
        unframed = framing == CHUNKED or framing == UNTIL_CLOSE
        self.reply_chunked = chunked = unframed and head.minor == 1
        if self.edge.stopping or (self.body is not None and not self.body.done) or (unframed and not chunked):
            self.keep_alive = False
        if chunked:
            first = encode_chunk([data]) + (encode_end(trailers) if done else b"")
        else:
            first = data
        self.reply_bytes = len(data)
        if not reply.dated:
            reply.block += self.edge.dates.line(self.edge.wheel.now_s)
        self.down.outlet.write(
            head_for_client(
                reply,
                head.request_id,
                chunked,
                self.keep_alive,
                head.minor,
                self.cookie_lines(reply) if self.cookie_due else _NO_LINES,
                first,
            )
        )
        if done:
            self._complete()
        else:
            if self.body is not None:
                self.body.forget()  # no other cell will need it
            self._await_more()

    def on_reply_body(self, data: bytes, done: bool, trailers: list[bytes]) -> None:
        """More of the reply's body came, or its end."""
        self.reply_bytes += len(data)
        if self.reply_chunked:
            data = encode_chunk([data]) + (encode_end(trailers) if done else b"")
        if data:
            self.down.outlet.write(data)
        if done:
            self._complete()
        else:
            self._await_more()

    def _await_more(self) -> None:
        if self.down.write_paused:
            self.on_client_congested()
        else:
            self.edge.wheel.set_deadline(self.down, self.edge.timeouts.body_s)

    def _complete(self) -> None:
        upstream = self.upstream
        self.upstream = None
        if upstream is not None:
            upstream.end_exchange(self.body is None or self.body.done)
        self.finish("")

    def on_broken_reply(self, detail: str) -> None:
        """The cell's reply is malformed: `detail` says how."""
        self.drop_upstream()
        if self.link is not None:
            self.link.meter.attempt_failed()
        if self.state == REPLY:
            self.break_off(errors.CELL_BAD_REPLY.slug)
        else:
            self.refuse(errors.CELL_BAD_REPLY, detail)

    def on_cell_lost(self, untouched: bool, unsent: bytes) -> None:
        """The connection ended before the reply did.

        untouched   not one byte of a reply had come
        unsent      all that was to be sent, if not one byte of it had gone out, else b""
        """
        reused = self.upstream is not None and self.upstream.reused
        self.upstream = None
        if self.state == REPLY:
            if self.link is not None:
                self.link.meter.attempt_failed()
            self.break_off(errors.CELL_BAD_REPLY.slug)
        elif not untouched:
            self.on_broken_reply("the reply ended inside its head")
        elif unsent:
            self.pending = unsent[len(self.wire_head) :]
            self.attempt_failed(errors.CELL_UNREACHABLE, not reused)
        elif self.head.safe and not self.hinted and (self.body is None or self.body.whole):
            if self.body is not None:
                self.pending = self.body.kept()
            self.attempt_failed(errors.CELL_UNREACHABLE, not reused)
        else:
            if self.link is not None:
                self.link.meter.attempt_failed()
            self.refuse(
                errors.CELL_CLOSED, "whether the cell acted on it is not known; it was not sent again"
            )

    # What the client's connection tells.

    def on_client_congested(self) -> None:
        """The client takes no more for now."""
        if self.upstream is not None and self.state == REPLY:
            self.upstream.pause()
            self.down.watch_reader()

    def on_client_writable(self) -> None:
        """The client takes more again; the time that it took none was not the cell's."""
        if self.state == REPLY:
            self.edge.wheel.set_deadline(self.down, self.edge.timeouts.body_s)
        if self.upstream is not None:
            self.upstream.resume()

    def on_client_gone(self) -> None:
        """The client's connection ended: nobody waits for the reply any more."""
        self.drop_upstream()
        self.keep_alive = False
        if self.state != DONE:
            self.status = self.status or CLIENT_CLOSED
            self.finish("client-closed")

    def on_drain_cut(self) -> None:
        """The worker has no time left to finish: it isn't the client's fault, nor the cell's."""
        self.drop_upstream()
        self.status = self.status or errors.STOPPING.status
        self.break_off(_DRAIN_CUT)

    def on_deadline(self) -> None:
        """Something took too long: the client's body, the cell's reply, or either inside the reply."""
        upstream = self.upstream
        if self.state == REPLY:
            if self.down.write_paused and not self.down.reader_is_stuck():
                return
            self.drop_upstream()
            self.break_off("client-too-slow" if self.down.write_paused else errors.CELL_TIMEOUT.slug)
        elif self.state == SENT and upstream is not None and self._cell_takes_on(upstream):
            self._look_at_cell_later()
        elif self.state == SENT and self._client_owes(upstream):
            self.drop_upstream()
            self.refuse(errors.REQUEST_TIMEOUT, "the request's body came too slowly")
        elif self.state == SENT or self.state == CONNECT:
            if self.link is not None:
                self.link.meter.attempt_failed()
            late = self._what_is_late(upstream)
            self.drop_upstream()
            self.degrade(errors.CELL_TIMEOUT, late)
        elif self.state == LOOKUP:
            self.refuse(errors.LOOKUP_UNAVAILABLE, "the lookup took too long")

    def _what_is_late(self, upstream: Upstream | None) -> str:
        if self.state == CONNECT:
            return "no connection to it was made in time"
        if upstream is not None and upstream.write_paused:
            return "it took no more of the request's body"
        return "its reply did not begin in time"

    def _look_at_cell_later(self) -> None:
        self.edge.wheel.set_deadline(self.down, self.edge.timeouts.body_s / LOOKS)

    def _cell_takes_on(self, upstream: Upstream) -> bool:
        """Whether the cell still takes the body, though so slowly that the transport does not notice it."""
        return upstream.write_paused and not upstream.cell_is_stuck()

    def _client_owes(self, upstream: Upstream | None) -> bool:
        """Whether it is the client that the exchange waits for, not the cell."""
        body = self.body
        if body is None or body.done or upstream is None or upstream.write_paused:
            return False
        return body.received_bytes > 0 or not self.head.expects_continue
