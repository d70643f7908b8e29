"""A request and its reply on the move: connection, sending, both bodies, retries.

Decides nothing about homes: the subclass Journey fills in what is decided before (which cell) and after (what
a failure looks like).
"""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING, Final

from lookup.assignment import NO_EPOCH
from proxy import errors
from proxy.errors import Problem
from proxy.forward.edge import MAX_ATTEMPTS, Edge
from proxy.forward.link import CellLink
from proxy.forward.request_body import RequestBody
from proxy.forward.upstream import WINDOW_BYTES, Upstream
from proxy.wire.chunked import encode_chunk, encode_end
from proxy.wire.framing import CHUNKED, UNTIL_CLOSE
from proxy.wire.reply import ReplyHead
from proxy.wire.request import RequestHead
from proxy.wire.rewrite import head_for_cell, head_for_client

if TYPE_CHECKING:
    from proxy.forward.downstream import Downstream

# States, and for each the set of those that may follow (a bit mask). Anything else is a bug and raises.
ROOMS: Final = 0
LOOKUP: Final = 1
CONNECT: Final = 2
SENT: Final = 3
REPLY: Final = 4
DONE: Final = 5
_NEXT: Final = (
    1 << LOOKUP | 1 << CONNECT | 1 << SENT | 1 << DONE,
    1 << CONNECT | 1 << SENT | 1 << DONE,
    1 << CONNECT | 1 << SENT | 1 << DONE,
    1 << CONNECT | 1 << REPLY | 1 << DONE,
    1 << DONE,
    0,
)

_BACKOFF_S: Final = 0.025
_NO_LINES: Final[list[bytes]] = []
CLIENT_CLOSED: Final = 499


class Exchange:
    """One request's state while it moves.

    pending         bytes of the request's body, coded for the cell, that no connection took yet
    epoch           what the cell is told; NO_EPOCH while it isn't known
    cookie_due      the reply shall carry a routing cookie
    reply_by_s      when the reply is due, on the wheel's clock, however often the cell is asked; 0.0 before
                    a fresh connection was needed
    attempts        how often the request was given to a connection
    status          of the reply that the client got or is getting, 0 before
    """

    __slots__ = (
        "attempts",
        "body",
        "cookie_due",
        "down",
        "edge",
        "epoch",
        "head",
        "keep_alive",
        "link",
        "opening",
        "pending",
        "reply_by_s",
        "reply_bytes",
        "reply_chunked",
        "retrying",
        "started_s",
        "state",
        "status",
        "upstream",
        "wire_head",
    )

    def __init__(self, edge: Edge, down: Downstream, head: RequestHead) -> None:
        self.edge = edge
        self.down = down
        self.head = head
        self.started_s = time.perf_counter()
        self.state = ROOMS
        self.body: RequestBody | None = None
        self.link: CellLink | None = None
        self.upstream: Upstream | None = None
        self.opening: asyncio.Task[None] | None = None
        self.pending = b""
        self.wire_head = b""
        self.attempts = 0
        self.status = 0
        self.reply_by_s = 0.0
        self.reply_bytes = 0
        self.reply_chunked = False
        self.retrying = False
        self.keep_alive = head.keep_alive
        self.epoch = NO_EPOCH
        self.cookie_due = False

    # What Journey fills in.

    def refuse(self, problem: Problem, detail: str) -> None:
        """Answer with a problem; nothing of a reply was sent yet."""
        raise NotImplementedError(type(self))

    def degrade(self, problem: Problem, detail: str) -> None:
        """Answer with the route's fallback, because the cell can't; nothing of a reply was sent yet."""
        raise NotImplementedError(type(self))

    def finish(self, reason: str) -> None:
        """The exchange is over, as `reason` says ("" for well): count it, log it, free the connection."""
        raise NotImplementedError(type(self))

    def cookie_lines(self, reply: ReplyHead) -> list[bytes]:
        """The Set-Cookie line of the reply's head, asked for when `cookie_due`."""
        raise NotImplementedError(type(self))

    def move_to(self, state: int) -> None:
        """Take the next state."""
        if not _NEXT[self.state] >> state & 1:
            raise RuntimeError(f"an exchange cannot go from state {self.state} to {state}")
        self.state = state

    # Towards the cell.

    def depart(self, link: CellLink, fresh: bool) -> None:
        """Give the request to a connection of the cell: an idle one, or (always, if `fresh`) a new one.

        The caller has counted the request in with `link.meter.enter`.
        """
        self.link = link
        self.attempts += 1
        upstream = None if fresh else link.pool.take()
        if upstream is not None:
            self._send(link, upstream)
        elif link.pool.full:
            self.degrade(errors.CELL_BUSY, "")
        else:
            self.move_to(CONNECT)
            if self.reply_by_s == 0.0:
                self.edge.wheel.set_deadline(self.down, self.edge.timeouts.request_s)
                self.reply_by_s = self.down.deadline_s
            link.pool.announced += 1
            self.opening = self.edge.loop.create_task(self._open(link))

    async def _open(self, link: CellLink) -> None:
        link.pool.announced -= 1
        try:
            upstream = await link.pool.open()
        except OSError:
            if self.state == CONNECT:
                self._attempt_failed(errors.CELL_UNREACHABLE, True)
            return
        if self.state != CONNECT:
            link.pool.give_back(upstream)
        elif upstream.usable:
            self._send(link, upstream)
        else:  # accepted and closed at once
            self._attempt_failed(errors.CELL_UNREACHABLE, True)

    def _send(self, link: CellLink, upstream: Upstream) -> None:
        self.move_to(SENT)
        self.upstream = upstream
        if not self.wire_head:
            self.wire_head = head_for_cell(self.head, self.down.peer, link.lines, self.epoch, self.edge.ids)
        body = self.body
        timeouts = self.edge.timeouts
        wheel = self.edge.wheel
        late_s = timeouts.request_s if self.reply_by_s == 0.0 else self.reply_by_s - wheel.now_s
        if body is None:
            upstream.send(self, self.wire_head)
            wheel.set_deadline(self.down, late_s)
            return
        data = self.wire_head + self.pending
        self.pending = b""
        upstream.send(self, data)
        wheel.set_deadline(self.down, late_s if body.done else timeouts.body_s)
        self.down.release_pending()

    def body_arrived(self, data: bytes) -> bytes:
        """More of the request's body came; returns what follows it (the next request's bytes)."""
        body = self.body
        if body is None or self.state == DONE:
            return b""
        coded, rest = body.feed(data)
        if body.problem:
            self._body_refused(errors.BAD_REQUEST, body.problem)
        elif body.too_large:
            self._body_refused(errors.BODY_TOO_LARGE, f"the most allowed here is {body.limit_bytes} bytes")
        elif self.upstream is None:
            self.pending = self.pending + coded if self.pending else coded
            if len(self.pending) > WINDOW_BYTES:
                self.down.hold_pending()
        else:
            self.upstream.send_body(coded)
            timeouts = self.edge.timeouts
            late_s = timeouts.request_s if body.done and self.state == SENT else timeouts.body_s
            self.edge.wheel.set_deadline(self.down, late_s)
        if body.backlogged and self.state != DONE:
            self.down.hold_turn()
            self.edge.loop.call_soon(self._decode_on)
        return rest

    def _decode_on(self) -> None:
        """Go on with a body that came in more small chunks than one turn should bear."""
        if self.state == DONE or self.body is None:
            return
        rest = self.body_arrived(b"")
        if not self.body.backlogged:
            self.down.release_turn(rest)

    def _body_refused(self, problem: Problem, detail: str) -> None:
        self.drop_upstream()
        if self.state == REPLY:
            self.break_off(problem.slug)
        else:
            self.refuse(problem, detail)

    def body_missing(self) -> bool:
        """Whether the client still owes a part of the request's body."""
        return self.body is not None and not self.body.done

    def drop_upstream(self) -> None:
        """End the connection to the cell, if there is one: its state is not known any more."""
        if self.upstream is not None:
            self.upstream.abort()
            self.upstream = None

    # What the cell's connection tells.

    def on_cell_congested(self) -> None:
        """The cell takes no more of the body for now."""
        self.down.hold_congested()

    def on_cell_writable(self) -> None:
        """The cell takes more again; the time that it took none was not the client's."""
        if self.state == SENT and self.body_missing():
            self.edge.wheel.set_deadline(self.down, self.edge.timeouts.body_s)
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
            self.down.outlet.write(b"\r\n".join([reply.start, *reply.fields, b"", b""]))

    def on_reply(self, reply: ReplyHead, data: bytes, done: bool, trailers: list[bytes]) -> None:
        """The final head came, with the beginning of its body or (`done`) all of it."""
        self.move_to(REPLY)
        head = self.head
        self.status = reply.status
        framing = reply.framing
        unframed = framing == CHUNKED or framing == UNTIL_CLOSE
        self.reply_chunked = chunked = unframed and head.minor == 1
        if (
            self.edge.stopping
            or (self.body is not None and self.body_missing())
            or (unframed and not chunked)
        ):
            self.keep_alive = False
        if chunked:
            first = encode_chunk([data]) + (encode_end(trailers) if done else b"")
        else:
            first = data
        self.reply_bytes = len(data)
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
        self.edge.wheel.set_deadline(self.down, self.edge.timeouts.body_s)
        if self.down.write_paused and self.upstream is not None:
            self.upstream.pause()

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
        elif unsent or (self.body is None and self.head.safe):
            self.pending = unsent[len(self.wire_head) :]
            self._attempt_failed(errors.CELL_UNREACHABLE, not reused)
        else:
            if self.link is not None:
                self.link.meter.attempt_failed()
            self.refuse(
                errors.CELL_CLOSED, "whether the cell acted on it is not known; it was not sent again"
            )

    def _attempt_failed(self, problem: Problem, wait: bool) -> None:
        """This attempt failed in a way that allows another: now or (`wait`) after a pause; or give up."""
        link = self.link
        if link is None:
            raise RuntimeError("an attempt failed before there was a cell")
        link.meter.attempt_failed()
        if self.attempts >= MAX_ATTEMPTS or not (self.retrying or self.edge.may_retry()):
            self.degrade(problem, "")
            return
        if not self.retrying:
            self.retrying = True
            self.edge.retrying += 1
        link.meter.retry()
        if self.reply_by_s == 0.0:
            self.reply_by_s = self.down.deadline_s
        self.move_to(CONNECT)
        if wait:
            pause_s = _BACKOFF_S * 2 ** (self.attempts - 1) * (0.5 + random.random())
            self.edge.loop.call_later(pause_s, self._depart_again)
        else:
            self.depart(link, True)

    def _depart_again(self) -> None:
        if self.state == CONNECT and self.link is not None:
            if self.link.name in self.edge.snapshot.down:
                self.degrade(errors.CELL_DOWN, "")
            else:
                self.depart(self.link, True)

    # What the client's connection tells.

    def on_client_congested(self) -> None:
        """The client takes no more for now."""
        if self.upstream is not None and self.state == REPLY:
            self.upstream.pause()

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

    def on_deadline(self) -> None:
        """Something took too long: the client's body, the cell's reply, or either inside the reply."""
        upstream = self.upstream
        if self.state == REPLY:
            self.drop_upstream()
            self.break_off("client-too-slow" if self.down.write_paused else errors.CELL_TIMEOUT.slug)
        elif self.state == SENT and self._client_owes(upstream):
            self.drop_upstream()
            self.refuse(errors.REQUEST_TIMEOUT, "the request's body came too slowly")
        elif self.state == SENT or self.state == CONNECT:
            if self.link is not None:
                self.link.meter.attempt_failed()
            self.drop_upstream()
            self.degrade(errors.CELL_TIMEOUT, "")
        elif self.state == LOOKUP:
            self.refuse(errors.LOOKUP_UNAVAILABLE, "")

    def _client_owes(self, upstream: Upstream | None) -> bool:
        """Whether it is the client that the exchange waits for, not the cell."""
        body = self.body
        if body is None or body.done or upstream is None or upstream.write_paused:
            return False
        return body.received_bytes > 0 or not self.head.expects_continue

    def break_off(self, reason: str) -> None:
        """End a reply that can't be completed so that the client can't take it for a whole one."""
        self.keep_alive = False
        self.down.abort()
        self.finish(reason)
