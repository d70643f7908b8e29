"""A request on its way to the cell: connection, sending, its body, further attempts."""

from __future__ import annotations

import random
import time
from typing import Final

from proxy import errors
from proxy.errors import Problem
from proxy.forward.edge import MAX_ATTEMPTS
from proxy.forward.exchange import CONNECT, DONE, LOOKUP, REPLY, SENT
from proxy.forward.link import CellLink
from proxy.forward.reply_flow import ReplyFlow
from proxy.forward.upstream import IDLE, WINDOW_BYTES, Upstream
from proxy.kernel.open_files import OUT_OF_RESOURCES
from proxy.wire.rewrite import head_for_cell, keep_request_id

_BACKOFF_S: Final = 0.025


class RequestFlow(ReplyFlow):
    """The way there."""

    __slots__ = ()

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
            self.state = CONNECT
            if self.reply_by_s == 0.0:
                self.edge.wheel.set_deadline(self.down, self.edge.timeouts.request_s)
                self.reply_by_s = self.down.deadline_s
            link.pool.announced += 1
            self.opening = self.edge.loop.create_task(self._open(link))

    async def _open(self, link: CellLink) -> None:
        link.pool.announced -= 1
        try:
            upstream = await link.pool.open()
        except OSError as error:
            if self.state == CONNECT and error.errno in OUT_OF_RESOURCES:
                self.refuse(errors.OUT_OF_RESOURCES, "no further connection can be opened")
            elif self.state == CONNECT:
                self.attempt_failed(errors.CELL_UNREACHABLE, True)
            return
        if self.state != CONNECT:
            link.pool.give_back(upstream)
        elif upstream.phase != IDLE:  # accepted and closed at once
            self.attempt_failed(errors.CELL_UNREACHABLE, True)
        elif self.may_have_moved():
            await self._permit_anew(link, upstream)
        elif link.name in self.edge.snapshot.down:
            link.pool.give_back(upstream)
            self.degrade(errors.CELL_DOWN, "")
        else:
            self._send(link, upstream)

    async def _permit_anew(self, link: CellLink, upstream: Upstream | None) -> None:
        """Nothing of it was sent: back to room 4. A connection that is at hand is kept, so that no other wait
        follows."""
        identity = self.identity
        if self.state != CONNECT:  # it ended before this task's turn came
            return
        if identity is None:
            raise self.illegal(LOOKUP)
        self.state = LOOKUP
        keep_request_id(self.head)
        self.wire_head = b""
        edge, now_s = self.edge, time.time()
        if self.head.safe:
            resolution = await edge.resolver.resolve(identity.key, identity.hint, now_s, True)
        else:
            resolution = await edge.confirmations.confirm(identity.key, now_s)
        if upstream is None:
            pass
        elif upstream.phase == IDLE:
            link.pool.give_back(upstream)
            self.attempts -= 1
        elif self.state == LOOKUP:
            self.attempt_failed(errors.CELL_UNREACHABLE, True)
        if self.state == LOOKUP:
            self.leave_cell(link)
            self.permit(resolution)

    def _send(self, link: CellLink, upstream: Upstream) -> None:
        if self.state >= SENT:
            raise self.illegal(SENT)
        self.state = SENT
        self.upstream = upstream
        edge = self.edge
        if not self.wire_head:
            self.wire_head = head_for_cell(self.head, self.down.peer, link.lines, self.epoch, edge.ids)
        body = self.body
        wheel = edge.wheel
        late_s = edge.timeouts.request_s if self.reply_by_s == 0.0 else self.reply_by_s - wheel.now_s
        if body is None:
            upstream.send(self, self.wire_head)
            wheel.set_deadline(self.down, late_s)
            return
        data = self.wire_head + self.pending
        self.pending = b""
        upstream.send(self, data)
        wheel.set_deadline(self.down, late_s if body.done else edge.timeouts.body_s)
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
            if self.state != SENT or not self.upstream.write_paused:  # else it is the cell that is waited for
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

    def attempt_failed(self, problem: Problem, wait: bool) -> None:
        """This attempt failed in a way that allows another: now or (`wait`) after a pause; or give up."""
        link = self.link
        if link is None:
            raise RuntimeError("an attempt failed before there was a cell")
        link.meter.attempt_failed()
        if self._is_hopeless(link):
            self.degrade(errors.CELL_DOWN, "")
            return
        if self.attempts >= MAX_ATTEMPTS or not (self.retried_at is link or link.may_retry()):
            self.degrade(problem, "")
            return
        if self.retried_at is not link:
            self.retried_no_more()
            self.retried_at = link
            link.retrying += 1
        link.meter.retry()
        if self.reply_by_s == 0.0:
            self.reply_by_s = self.down.deadline_s
        if self.state > SENT:
            raise self.illegal(CONNECT)
        self.state = CONNECT
        if wait:
            pause_s = _BACKOFF_S * 2 ** (self.attempts - 1) * (0.5 + random.random())
            self.edge.loop.call_later(pause_s, self._depart_again)
        else:
            self.depart(link, True)

    def _depart_again(self) -> None:
        link = self.link
        if self.state != CONNECT or link is None:
            return
        if self.has_moved():  # a write of which that is not known is judged once it has a connection
            self.opening = self.edge.loop.create_task(self._permit_anew(link, None))
        else:
            self.depart(link, True)

    def on_cells_taken_out(self) -> None:
        """Cells were flagged down: if it waits for a connection to one of them, it waits no longer."""
        link = self.link
        if self.state == CONNECT and link is not None and self._is_hopeless(link):
            self.degrade(errors.CELL_DOWN, "")

    def _is_hopeless(self, link: CellLink) -> bool:
        """Whether operators took the cell out, and the user is not known to live elsewhere by now."""
        return link.name in self.edge.snapshot.down and not self.has_moved()
