"""One request's state while it moves, and which state may follow which.

Its subclasses are, one upon the other, the way back from the cell (ReplyFlow), the way there (RequestFlow),
what follows when a cell is not the user's home (Bounce), what the edge says itself (OwnAnswers), and the
decisions about homes (Journey).
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

from lookup.assignment import NO_EPOCH
from lookup.resolution import Resolution
from proxy.errors import Problem
from proxy.forward.edge import Edge
from proxy.forward.link import CellLink
from proxy.forward.request_body import RequestBody
from proxy.forward.upstream import Upstream
from proxy.rooms.identity import Identity
from proxy.rooms.routes import Route
from proxy.wire.reply import NotMineHead, ReplyHead
from proxy.wire.request_head import RequestHead

if TYPE_CHECKING:
    from proxy.forward.downstream import Downstream

# States, in order. Only two may be followed by earlier ones: CONNECT by LOOKUP, when the home of a request
# that waited must be confirmed; SENT by CONNECT, when a request is sent again, and by LOOKUP, when a cell
# says that it is not the user's home.
ROOMS: Final = 0
LOOKUP: Final = 1
CONNECT: Final = 2
SENT: Final = 3
REPLY: Final = 4
DONE: Final = 5


class Exchange:
    """One request's state while it moves.

    pending         bytes of the request's body, coded for the cell, that no connection took yet
    epoch           what the cell is told; NO_EPOCH while it isn't known
    cookie_due      the reply shall carry a routing cookie
    hinted          the client got an interim reply of the cell
    reply_by_s      when the reply is due, on the wheel's clock, however often the cell is asked; 0.0 before
                    a fresh connection was needed
    began_at_s      when its head was complete, in Unix seconds; started_s the same by perf_counter
    attempts        how often the request was given to a connection
    left            the cell that said that it is not the user's home
    asked           names of the cells that were asked before `link`, a space between two; usually none
    asked_after     attempts when the last of them was left
    status          of the reply that the client got or is getting, 0 before
    withheld        whose law the path is under is not known, or is not this edge's: the log keeps no path
    """

    __slots__ = (
        "asked",
        "asked_after",
        "attempts",
        "began_at_s",
        "body",
        "cookie_due",
        "down",
        "edge",
        "epoch",
        "head",
        "hinted",
        "identity",
        "keep_alive",
        "left",
        "link",
        "opening",
        "pending",
        "reply_by_s",
        "reply_bytes",
        "reply_chunked",
        "resolution",
        "retried_at",
        "route",
        "started_s",
        "state",
        "status",
        "upstream",
        "wire_head",
        "withheld",
    )

    def __init__(self, edge: Edge, down: Downstream, head: RequestHead) -> None:
        self.edge = edge
        self.down = down
        self.head = head
        self.began_at_s = time.time()
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
        self.retried_at: CellLink | None = None
        self.left: CellLink | None = None
        self.asked = ""
        self.asked_after = 0
        self.hinted = False
        self.keep_alive = head.keep_alive
        self.epoch = NO_EPOCH
        self.cookie_due = False
        self.route: Route | None = None
        self.identity: Identity | None = None
        self.resolution: Resolution | None = None
        self.withheld = False

    # What the subclasses fill in.

    def cookie_lines(self, reply: ReplyHead) -> list[bytes]:
        """The Set-Cookie line of the reply's head, asked for when `cookie_due`."""
        raise NotImplementedError(type(self))

    def on_not_mine(self, reply: NotMineHead, done: bool) -> None:
        """The cell says that it is not the user's home; `done` if that was its whole reply."""
        raise NotImplementedError(type(self))

    def permit(self, resolution: Resolution) -> None:
        """Go on to the home that was found, if the request may go there."""
        raise NotImplementedError(type(self))

    def send_again(self) -> None:
        """Tell the client to send the request again, to the same URL; nothing of a reply was sent yet."""
        raise NotImplementedError(type(self))

    def attempt_failed(self, problem: Problem, wait: bool) -> None:
        """This attempt failed in a way that allows another: now or (`wait`) after a pause; or give up."""
        raise NotImplementedError(type(self))

    def refuse(self, problem: Problem, detail: str) -> None:
        """Answer with a problem; nothing of a reply was sent yet."""
        raise NotImplementedError(type(self))

    def degrade(self, problem: Problem, detail: str) -> None:
        """Answer with the route's fallback, because the cell can't; nothing of a reply was sent yet."""
        raise NotImplementedError(type(self))

    def finish(self, reason: str) -> None:
        """The exchange is over, as `reason` says ("" for well): count it, log it, free the connection."""
        raise NotImplementedError(type(self))

    def illegal(self, state: int) -> RuntimeError:
        """For whoever finds that the exchange can't go to this state from the one that it is in: a bug."""
        return RuntimeError(f"an exchange cannot go from state {self.state} to {state}")

    def may_have_moved(self) -> bool:
        """Whether a request that had to wait must be judged anew before it is sent: the worker knows of a
        change or, if it is unsafe, a move may have begun that doesn't wait for it."""
        if self.identity is None:
            return False
        fence = self.edge.fence
        if not self.head.safe and not fence.has_held_since(self.started_s, time.perf_counter(), time.time()):
            return True
        return self.has_moved()

    def has_moved(self) -> bool:
        """Whether the worker knows by now of a change of the home that was found."""
        resolution = self.resolution
        return resolution is not None and self.edge.resolver.knows_newer(resolution.key, resolution.epoch)

    def leave_cell(self, link: CellLink) -> None:
        """Another cell may be its home; the log names this one if it was asked."""
        link.meter.leave()
        self.asked = self.cells_asked(link)
        self.asked_after = self.attempts
        self.link = None

    def cells_asked(self, link: CellLink | None) -> str:
        """The names of `asked`, and that of this cell if it was asked after them."""
        asked = self.asked
        if link is None or self.attempts == self.asked_after or asked.rpartition(" ")[2] == link.name:
            return asked
        return f"{asked} {link.name}" if asked else link.name

    def retried_no_more(self) -> None:
        """Leave the retry budget of the cell that it was being sent to again, if it was."""
        if self.retried_at is not None:
            self.retried_at.retrying -= 1
            self.retried_at = None

    def body_missing(self) -> bool:
        """Whether the client still owes a part of the request's body."""
        return self.body is not None and not self.body.done

    def drop_upstream(self) -> None:
        """End the connection to the cell, if there is one: its state is not known any more."""
        if self.upstream is not None:
            self.upstream.abort()
            self.upstream = None

    def break_off(self, reason: str) -> None:
        """End a reply that can't be completed so that the client can't take it for a whole one."""
        self.keep_alive = False
        self.down.abort()
        self.finish(reason)
