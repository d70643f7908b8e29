"""What the edge itself says in place of a cell: refusals, fallbacks, the way to the right edge."""

from __future__ import annotations

import time

from proxy import errors
from proxy.errors import Problem, Refusal
from proxy.forward.not_mine import Bounce
from proxy.rooms.faults import challenge
from proxy.wire.ids import REQUEST_ID_DIGITS
from proxy.wire.own_reply import OwnReply, plain_reply, problem_reply, same_url
from proxy.wire.request_head import RequestHead


class OwnAnswers(Bounce):
    """Each of these ends the exchange. Nothing of a reply was sent before."""

    __slots__ = ()

    def refuse(self, problem: Problem, detail: str) -> None:
        if problem.closes:
            self.keep_alive = False
        own = self._own()
        if problem.status == 401:
            own.fields.append(b"WWW-Authenticate: " + challenge(Refusal(problem, detail)))
        self._say(problem, problem_reply(problem, detail, own))

    def send_again(self) -> None:
        own = self._own()
        own.fields.append(b"Location: " + same_url(self.head.target))
        self._say(errors.SEND_AGAIN, problem_reply(errors.SEND_AGAIN, "", own))

    def degrade(self, problem: Problem, detail: str) -> None:
        own = self._own()
        own.fields.append(b"X-Home-Cell-Degraded: " + problem.slug.encode())
        meter = self.link.meter if self.link is not None else self.edge.meters.none
        meter.fallback(problem.slug)
        static = self.route.static if self.route is not None and self.head.safe else None
        if static is None:
            self._say(problem, problem_reply(problem, detail, own))
            return
        self.status = static.status
        self._write_own(plain_reply(static.status, static.content_type, static.body, own.fields, own))
        self.finish(problem.slug)

    def wrong_edge(self, jurisdiction: str) -> None:
        """Not permitted from here: nothing is forwarded, and the log keeps no path."""
        self.withheld = True
        own = self._own()
        own.edge_url = self.edge.snapshot.edge_urls.get(jurisdiction, "")
        detail = f"users of jurisdiction {jurisdiction} are not served here"
        self._say(errors.WRONG_EDGE, problem_reply(errors.WRONG_EDGE, detail, own))

    def _own(self) -> OwnReply:
        head = self.head
        if not head.request_id:
            head.request_id = self.edge.ids.take(REQUEST_ID_DIGITS)
        if self.body_missing() or self.edge.stopping or head.minor == 0:
            self.keep_alive = False
        own = OwnReply(head.request_id, self.keep_alive, self.edge.dates.at(time.time()))
        own.answers_head = head.method == b"HEAD"
        own.accept = _accept(head)
        own.cell = self.link.name if self.link is not None else ""
        return own

    def _say(self, problem: Problem, reply: bytes) -> None:
        self.status = problem.status
        self.edge.meters.refused(problem.slug)
        self._write_own(reply)
        self.finish(problem.slug)

    def _write_own(self, reply: bytes) -> None:
        self.reply_bytes = len(reply) - reply.find(b"\r\n\r\n") - 4
        self.down.outlet.write(reply)


def _accept(head: RequestHead) -> bytes:
    for line in head.fields:
        name, _, value = line.partition(b":")
        if name.lower() == b"accept":
            return value
    return b""
