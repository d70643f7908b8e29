"""Does what the guide says, and more, and judges it: a worker killed under traffic, no wrong cell."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import aiohttp

from bench.demo.guide import APPLIED_WITHIN_S, Ask, Guide, Order, Step
from bench.demo.layout import HOMECELL
from bench.demo.processes import children
from bench.demo.replies import summary
from bench.demo.stage import Stage
from bench.demo.tally import Tally, Verdict
from bench.demo.traffic import CLIENTS

_CONNECTIONS_PER_ASK: Final = 6  # so that every worker is asked, most likely
_REPLACED_WITHIN_S: Final = 5.0
_POLL_S: Final = 0.02


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: it is right when `actual` is what was `expected`."""

    what: str
    expected: str
    actual: str

    @property
    def right(self) -> bool:
        return self.expected == self.actual


class Rehearsal:
    """One run over a stage with traffic on it; `report` is told of each finding as it is made."""

    def __init__(self, stage: Stage, guide: Guide, tally: Tally, report: Callable[[Finding], None]) -> None:
        self._stage = stage
        self._guide = guide
        self._tally = tally
        self._report = report
        self._cookies: dict[str, str] = {}
        self.all_right = True

    def note(self, what: str, expected: str, actual: str) -> None:
        finding = Finding(what, expected, actual)
        self.all_right = self.all_right and finding.right
        self._report(finding)

    async def perform(self, lasting_s: float) -> None:
        """Every step, the kill, and then traffic until `lasting_s` have passed; then what the traffic saw."""
        end_s = time.monotonic() + lasting_s
        for step in self._guide.steps():
            await self._do(step)
        await self._kill_a_worker()
        await asyncio.sleep(max(0.0, end_s - time.monotonic()))
        await self._judge_traffic()

    async def _do(self, step: Step) -> None:
        if isinstance(step, Order):
            self.note(step.shows, "done", await run_order(step))
        else:
            self.note(step.shows, step.expected, await self._ask(step))

    async def _ask(self, ask: Ask) -> str:
        """What the replies on several new connections amount to, once they agree or the time is over."""
        deadline_s = time.monotonic() + (APPLIED_WITHIN_S if ask.settles else 0.0)
        while True:
            answers = {await self._ask_once(ask) for _ in range(_CONNECTIONS_PER_ASK)}
            if answers == {ask.expected} or time.monotonic() >= deadline_s:
                return " / ".join(sorted(answers))
            await asyncio.sleep(_POLL_S)

    async def _ask_once(self, ask: Ask) -> str:
        headers = {"Connection": "close"}
        if ask.bearer:
            headers["Authorization"] = f"Bearer {ask.bearer.token}"
        if ask.session:
            headers["Cookie"] = f"session={ask.session.token}"
        if ask.jar == "use":
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        try:
            async with self._stage.session.get(ask.url, headers=headers) as reply:
                if ask.jar == "fill":
                    self._cookies.update({name: morsel.value for name, morsel in reply.cookies.items()})
                name = self._stage.settings.routing_cookie.name
                return summary(reply.status, reply.headers, await reply.read(), name)
        except (aiohttp.ClientError, TimeoutError) as error:
            return f"no reply: {type(error).__name__}"

    async def _kill_a_worker(self) -> None:
        edge = self._stage.layout.eu
        supervisor = self._stage.edge(edge).process.pid
        before = children(supervisor)
        lost_before, replies_before = self._tally.count(Verdict.LOST), self._tally.total()
        os.kill(min(before), signal.SIGKILL)
        began_s = time.monotonic()
        replaced = await self._replaced(supervisor, before)
        seconds = time.monotonic() - began_s
        self.note(f"kill -9 {min(before)}: a worker is replaced", "replaced", replaced)
        await asyncio.sleep(1.0)
        lost = self._tally.count(Verdict.LOST) - lost_before
        served = self._tally.total() - replies_before - lost
        self.note(
            f"meanwhile ({seconds:.1f} s) traffic goes on: {served} replies, {lost} in flight lost",
            "yes",
            "yes"
            if served > 0 and lost <= CLIENTS and lost_before == 0
            else f"no ({lost_before} lost before it)",
        )

    async def _replaced(self, supervisor: int, before: set[int]) -> str:
        deadline_s = time.monotonic() + _REPLACED_WITHIN_S
        while time.monotonic() < deadline_s:
            now = children(supervisor)
            if len(now) == len(before) and now != before:
                return "replaced"
            await asyncio.sleep(_POLL_S)
        return (
            f"not within {_REPLACED_WITHIN_S:.0f} s: {sorted(before)} became {sorted(children(supervisor))}"
        )

    async def _judge_traffic(self) -> None:
        tally = self._tally
        self.note(f"replies from a wrong cell, of {tally.total():,}", "0", str(tally.count(Verdict.WRONG)))
        wrong = await self._stage.wrong_in_cells()
        self.note("requests of other cells' users, as the cells count", "0", str(sum(wrong.values())))
        self.note("errors", "none", self._errors() or "none")
        flagged = self._stage.cells[0].name
        elsewhere = [
            name for name, cell in tally.cells.items() if cell.verdicts[Verdict.DEGRADED] and name != flagged
        ]
        self.note("degraded replies outside the cell that was down", "none", ", ".join(elsewhere) or "none")
        self.note("processes that ended by themselves", "none", "; ".join(self._stage.died()) or "none")

    def _errors(self) -> str:
        return "; ".join(
            f"{name}: {dict(cell.reasons)}"
            for name, cell in self._tally.cells.items()
            if cell.verdicts[Verdict.ERROR]
        )


async def run_order(order: Order) -> str:
    """ "done", or what the command printed."""
    process = await asyncio.create_subprocess_exec(
        HOMECELL, *order.arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    return (
        "done"
        if process.returncode == 0
        else f"exit {process.returncode}: {output.decode(errors='replace').strip()}"
    )
