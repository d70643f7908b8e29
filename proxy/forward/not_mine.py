"""A cell said "not mine" (421 with X-Home-Cell-Not-Mine): asks the truth, and sends the request there, once.

No request ever goes anywhere because of what the field says, only by what the truth says when it is asked
past every cache; so a cell that lies or errs can cost a reading, and misleads nobody.
"""

from __future__ import annotations

import logging
import time
from typing import Final

from lookup.resolution import Outcome, Resolution
from proxy import errors
from proxy.forward.exchange import DONE, LOOKUP, SENT
from proxy.forward.link import CellLink
from proxy.forward.request_flow import RequestFlow
from proxy.model import NotMineResult
from proxy.rooms.identity import Identity
from proxy.wire.not_mine import NotMine, parse_not_mine
from proxy.wire.reply import NotMineHead
from proxy.wire.rewrite import keep_request_id

_TELL_AGAIN_S: Final = 30.0

_log: Final = logging.getLogger("homecell.not_mine")


class Bounce(RequestFlow):
    """The only way back to room 4: at most once for a request, and before a byte of a reply was sent."""

    __slots__ = ()

    def on_not_mine(self, reply: NotMineHead, done: bool) -> None:
        """The cell says that the user is not at home there, and so that it did not act; `done` if that was
        the whole reply."""
        link, identity = self.link, self.identity
        if self.state != SENT or link is None:
            raise self.illegal(LOOKUP)
        said = parse_not_mine(reply.says)
        if said is None:
            link.meter.not_mine(NotMineResult.MALFORMED)
            self.on_broken_reply("its X-Home-Cell-Not-Mine field is malformed")
            return
        self._let_go(done)
        if self.left is not None:
            link.meter.not_mine(NotMineResult.TWICE)
            self.degrade(errors.NOT_MINE_TWICE, "")
        elif identity is None:
            link.meter.not_mine(NotMineResult.DISPUTED)
            self.degrade(errors.HOME_DISPUTED, "the request has no user")
        else:
            self._go_back(identity, link, said)

    def _let_go(self, done: bool) -> None:
        """Leave the cell. It did not act on the request: no move needs to wait for it (`wire_head`)."""
        upstream = self.upstream
        self.upstream = None
        self.wire_head = b""
        if upstream is None:
            return
        if done:
            upstream.end_exchange(not self.body_missing())
        else:
            upstream.abort()

    def _go_back(self, identity: Identity, link: CellLink, said: NotMine) -> None:
        """To room 4, with all of the request that can be had for another cell."""
        body = self.body
        is_whole = body is None or body.at_hand
        if body is not None and body.at_hand:
            self.pending = body.kept()
        keep_request_id(self.head)
        self.down.release_congested()  # by the cell that is left
        if self.reply_by_s == 0.0 and not self.body_missing():
            self.reply_by_s = self.down.deadline_s
        self.leave_cell(link)
        self.resolution = None
        self.left = link
        self.withheld = True  # until it is known whose law the path is under
        self.state = LOOKUP
        self.opening = self.edge.loop.create_task(self._ask_truth(identity, link, said, is_whole))

    async def _ask_truth(self, identity: Identity, link: CellLink, said: NotMine, is_whole: bool) -> None:
        edge = self.edge
        asked_s = time.time()
        generation = edge.resolver.generation
        resolution, record = await edge.confirmations.witness(identity.key, asked_s)
        if record is not None:
            edge.resolver.learn_truth(record, link.name, asked_s, generation)
        elif resolution.outcome is Outcome.UNKNOWN:
            edge.resolver.forget(identity.key)
        result = NotMineResult.ABANDONED
        if self.state == LOOKUP:
            result = self._go_by(resolution, link, said, is_whole)
        link.meter.not_mine(result)

    def _go_by(self, resolution: Resolution, link: CellLink, said: NotMine, is_whole: bool) -> NotMineResult:
        """Go where the truth says, or say why not; returns the result for the meter."""
        home = self.edge.snapshot.links.get(resolution.cell)
        if resolution.outcome is Outcome.UNAVAILABLE:
            self.permit(resolution)
            return NotMineResult.UNAVAILABLE
        if home is None or resolution.jurisdiction not in home.permitted:
            self.permit(resolution)
            return NotMineResult.REFUSED
        if home is link and resolution.epoch <= self.epoch:
            self._tell_operators(resolution, said)
            self._settle_at(home, resolution)
            self.degrade(errors.HOME_DISPUTED, "")
            return NotMineResult.DISPUTED
        if not is_whole:
            self._settle_at(home, resolution)
            if self.route is not None and self.route.redirects and self.head.target != b"*":
                self.send_again()
            else:
                self.refuse(errors.HOME_CHANGED, "too much of its body had been sent on; send it again")
            return NotMineResult.TOLD
        self.permit(resolution)
        return NotMineResult.REPLAYED if self.state != DONE else NotMineResult.REFUSED

    def _settle_at(self, home: CellLink, resolution: Resolution) -> None:
        """The request ends here, as one of that home."""
        self.withheld = False
        self.resolution = resolution
        self.link = home
        home.meter.enter()

    def _tell_operators(self, resolution: Resolution, said: NotMine) -> None:
        """Cell and truth disagree: somebody must look. Without the user's name, and not for each request."""
        edge = self.edge
        if edge.wheel.now_s < edge.disputes_told_s + _TELL_AGAIN_S:
            return
        edge.disputes_told_s = edge.wheel.now_s
        _log.warning(
            "%s says of a user that the home is not there (epoch %d%s), but the store says %s, epoch %d",
            resolution.cell,
            said.epoch,
            f", but {said.cell}" if said.cell else "",
            resolution.cell,
            resolution.epoch,
        )
