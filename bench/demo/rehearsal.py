"""Does what the guide says, and more, and judges it: a worker killed under traffic, no wrong cell."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import aiohttp

from bench.demo.connections import connections_held, is_stopped
from bench.demo.guide import APPLIED_WITHIN_S, Ask, Guide, Order, Step
from bench.demo.layout import HOMECELL
from bench.demo.machine import Crowd, Patience
from bench.demo.replies import locker, summary
from bench.demo.stage import Stage, Worker
from bench.demo.tally import Tally, Verdict
from proxy.errors import LOOKUP_UNAVAILABLE

_CONNECTIONS_PER_ASK: Final = 6  # so that every worker is asked, most likely
_REPLACED_WITHIN_S: Final = 5.0
_REPLACED_AT_LAST_S: Final = 30.0  # as the seconds of a busy machine don't count above
_LATE_SHARE: Final = 0.01  # of all requests, where the machine is busy
_BUSY_WITHIN_S: Final = 10.0
_AFTER_KILL_S: Final = 1.0
_POLL_S: Final = 0.02
_STOPPED_POLL_S: Final = 0.001
_LOGGED_WITHIN_S: Final = 1.0
_LOG_TAIL_BYTES: Final = 65536
_LOOKED_UP: Final = ("memory", "redis", "store")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: it is right when `actual` is what was `expected`."""

    what: str
    expected: str
    actual: str

    @property
    def right(self) -> bool:
        return self.expected == self.actual


class Outages(Protocol):
    """Of the servers that the stage stands on."""

    async def lose_redis(self) -> None: ...

    async def lose_cassandra(self) -> None: ...


class Rehearsal:
    """One run over a stage with traffic on it; `report` is told of each finding as it is made.

    crowd          says whether the machine is too busy to be in time; somebody else makes it look
    busy_within_s  how long to wait until a worker that could be killed serves clients
    after_kill_s   how long what was in flight may take to be noticed as lost
    """

    def __init__(
        self,
        stage: Stage,
        guide: Guide,
        tally: Tally,
        report: Callable[[Finding], None],
        crowd: Crowd,
        busy_within_s: float = _BUSY_WITHIN_S,
        after_kill_s: float = _AFTER_KILL_S,
    ) -> None:
        self._crowd = crowd
        self._busy_within_s = busy_within_s
        self._after_kill_s = after_kill_s
        self._stage = stage
        self._guide = guide
        self._tally = tally
        self._report = report
        self._cookies: dict[str, str] = {}
        self._locker = ""
        self._findings: list[Finding] = []
        self._lost_by_kill = 0

    @property
    def all_right(self) -> bool:
        return all(finding.right for finding in self._findings)

    def verdict(self) -> str:
        """In one line."""
        right = sum(finding.right for finding in self._findings)
        return f"{right} of {len(self._findings)} findings are right"

    def note(self, what: str, expected: str, actual: str) -> None:
        finding = Finding(what, expected, actual)
        self._findings.append(finding)
        self._report(finding)

    async def perform(self, lasting_s: float, outages: Outages | None = None) -> None:
        """Every step, the kill, and then traffic until `lasting_s` have passed; then what the traffic saw.

        With `outages` also Redis is killed, and in the end, after what the traffic saw, Cassandra.
        """
        end_s = time.monotonic() + lasting_s
        for step in self._guide.steps():
            await self._do(step)
        await self._kill_a_worker()
        if outages is not None:
            await outages.lose_redis()
        await asyncio.sleep(max(0.0, end_s - time.monotonic()))
        await self._judge_traffic()
        if outages is not None:
            await outages.lose_cassandra()
        self._judge_lost()

    async def ask_known_users(self, when: str) -> None:
        """Those whose home is known by a claim, or from memory, get the reply of their cell."""
        for step in self._guide.known_users():
            await self._judge_ask(f"{when}: {step.shows}", step, step.expected)

    async def _do(self, step: Step) -> None:
        if isinstance(step, Order):
            self.note(step.shows, "done", await run_order(step))
        else:
            expected = f"{step.expected}, by {step.found_by}" if step.found_by else step.expected
            await self._judge_ask(step.shows, step, expected)

    async def _judge_ask(self, what: str, ask: Ask, expected: str) -> None:
        """Once more where the lookup was late and the machine is busy: what is broken stays so."""
        actual = await self._ask(ask, expected)
        if LOOKUP_UNAVAILABLE.slug in actual and actual != expected and self._crowd.is_busy:
            what += f" (asked again, as the lookup was late and {self._crowd})"
            actual = await self._ask(ask, expected)
        self.note(what, expected, actual)

    async def _ask(self, ask: Ask, expected: str) -> str:
        """What the replies on several new connections amount to, once they agree or the time is over."""
        deadline_s = time.monotonic() + (APPLIED_WITHIN_S if ask.settles else 0.0)
        while True:
            answers = {await self._ask_once(ask) for _ in range(_CONNECTIONS_PER_ASK)}
            if answers == {expected} or time.monotonic() >= deadline_s:
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
                body = await reply.read()
                said = summary(reply.status, reply.headers, body, name) + self._record(ask, body)
        except (aiohttp.ClientError, TimeoutError) as error:
            return f"no reply: {type(error).__name__}"
        if not ask.found_by:
            return said
        tier = await logged_tier(self._stage.settings.access_log, reply.headers["X-Request-Id"])
        return f"{said}, by {'claim' if tier == 'claim' else 'lookup' if tier in _LOOKED_UP else tier}"

    def _record(self, ask: Ask, body: bytes) -> str:
        found = locker(body)
        if ask.record == "note":
            self._locker = found
        if ask.record != "same":
            return ""
        return f", with {'the same' if found and found == self._locker else 'another'} record"

    async def _kill_a_worker(self) -> None:
        victim = await self._busiest()
        lost_before, replies_before = self._tally.count(Verdict.LOST), self._tally.total()
        at_stake = _kill(victim.pid, self._stage.layout.eu.port)
        began_s = time.monotonic()
        replaced = await self._replaced(victim)
        took = f"{time.monotonic() - began_s:.1f} s"
        if self._crowd.is_busy:
            took += f"; {self._crowd}"
        self.note(f"kill -9 {victim.pid}: the worker is replaced ({took})", "replaced", replaced)
        await asyncio.sleep(self._after_kill_s)
        lost = self._tally.count(Verdict.LOST) - lost_before
        self._lost_by_kill = min(lost, at_stake)
        answered = self._tally.total() - replies_before - lost
        what = f"requests lost by the kill, of {answered + lost}; the worker had {at_stake} connections"
        self.note(what, f"at most {at_stake}", f"at most {at_stake}" if lost <= at_stake else str(lost))
        self.note("the killed worker was serving clients", "yes", "yes" if at_stake else "no")
        self.note("traffic went on meanwhile", "yes", "yes" if answered else "no")

    async def _busiest(self) -> Worker:
        """The worker with the most clients, once one has any: to kill an idle one would prove nothing."""
        deadline_s = time.monotonic() + self._busy_within_s
        while True:
            workers = await self._stage.workers(self._stage.layout.eu)
            held = [connections_held(worker.pid, self._stage.layout.eu.port) for worker in workers]
            if any(held) or time.monotonic() >= deadline_s:
                return workers[held.index(max(held))]
            await asyncio.sleep(_POLL_S)

    async def _replaced(self, victim: Worker) -> str:
        """ "replaced" once another process serves in the victim's slot. Time in which the machine is busy
        doesn't count, up to a point."""
        began_s = time.monotonic()
        patience = Patience(_REPLACED_WITHIN_S, _REPLACED_AT_LAST_S, began_s)
        while patience.lasts(time.monotonic(), self._crowd.is_busy):
            workers = await self._stage.workers(self._stage.layout.eu)
            if any(w.slot == victim.slot and w.pid != victim.pid and w.ready for w in workers):
                return "replaced"
            await asyncio.sleep(_POLL_S)
        return f"not within {time.monotonic() - began_s:.0f} s"

    async def _judge_traffic(self) -> None:
        tally = self._tally
        self.note(f"replies from a wrong cell, of {tally.total():,}", "0", str(tally.count(Verdict.WRONG)))
        wrong = await self._stage.wrong_in_cells()
        silent = [f"no word from {cell.name}" for cell in self._stage.cells if cell.name not in wrong]
        told = ", ".join(silent) or str(sum(wrong.values()))
        self.note("requests of other cells' users, as the cells count", "0", told)
        self.note("errors", "none", self._errors() or "none")
        self._judge_late()
        flagged = self._stage.cells[0].name
        elsewhere = [
            name for name, cell in tally.cells.items() if cell.verdicts[Verdict.DEGRADED] and name != flagged
        ]
        self.note("degraded replies outside the cell that was down", "none", ", ".join(elsewhere) or "none")
        self.note("processes that ended by themselves", "none", "; ".join(self._stage.died()) or "none")

    def _judge_late(self) -> None:
        """Few, and only on a busy machine (on any other they are errors)."""
        late, at_most = self._tally.count(Verdict.LATE), int(self._tally.total() * _LATE_SHARE)
        if late:
            what = (
                f"requests whose lookup was late (503) while the machine was busy, of {self._tally.total():,}"
            )
            self.note(what, f"at most {at_most}", f"at most {at_most}" if late <= at_most else str(late))

    def _judge_lost(self) -> None:
        """Over the whole run: whatever is killed or moved, requests are answered."""
        lost = self._tally.count(Verdict.LOST) - self._lost_by_kill
        what = f"requests without a reply, of {self._tally.total():,}, besides those lost by the kill"
        self.note(what, "0", str(lost))

    def _errors(self) -> str:
        return "; ".join(
            f"{name}: {dict(cell.reasons)}"
            for name, cell in self._tally.cells.items()
            if cell.verdicts[Verdict.ERROR]
        )


def _kill(pid: int, port: int) -> int:
    """How many of the port's clients the process held when it was killed; once stopped it takes no more."""
    os.kill(pid, signal.SIGSTOP)
    while not is_stopped(pid):
        time.sleep(_STOPPED_POLL_S)
    held = connections_held(pid, port)
    os.kill(pid, signal.SIGKILL)
    return held


async def logged_tier(access_log: Path, request_id: str) -> str:
    """The tier that the access log names for this request; a line is a quarter of a second late at most."""
    for _ in range(int(_LOGGED_WITHIN_S / _POLL_S)):
        for line in _tail(access_log):
            if request_id.encode() in line:
                return str(json.loads(line)["tier"])
        await asyncio.sleep(_POLL_S)
    return "nothing that the access log knows"


def _tail(path: Path) -> list[bytes]:
    return path.read_bytes()[-_LOG_TAIL_BYTES:].splitlines()


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
