"""A trickle of people-like requests over all cells, each reply judged into a Tally. Prints nothing."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import aiohttp

from bench.demo.homes import Homes
from bench.demo.layout import EdgeLayout, Layout
from bench.demo.population import FREE_TO_TRY, USERS
from bench.demo.replies import DEGRADED_FIELD, answering_cell, problem_named
from bench.demo.tally import Tally, Verdict, excused, judge
from bench.demo.tokens import ALGORITHMS, Tokens
from proxy.model import Cell

CLIENTS: Final = 12
MEAN_PAUSE_S: Final = 0.15

_POOL: Final = 600  # so many users come again and again; a token costs up to a millisecond to mint
_TIMEOUT: Final = aiohttp.ClientTimeout(total=10.0)


@dataclass(frozen=True, slots=True)
class Visit:
    """One request to send: who, through which edge, what."""

    number: int
    home: Cell
    url: str
    method: str
    headers: dict[str, str]
    body: bytes | None


class Trickle:
    """`run` sends until it is cancelled. `is_busy` says whether the machine has more to do than it can."""

    def __init__(
        self,
        layout: Layout,
        homes: Homes,
        tokens: Tokens,
        tally: Tally,
        is_busy: Callable[[], bool] = lambda: False,
        seed: int = 0,
    ) -> None:
        self._layout = layout
        self._homes = homes
        self._tokens = tokens
        self._tally = tally
        self._is_busy = is_busy
        self._random = random.Random(seed)
        self._pool = self._random.sample(range(FREE_TO_TRY, USERS), _POOL)

    async def run(self) -> None:
        jar = aiohttp.DummyCookieJar()
        async with (
            aiohttp.ClientSession(timeout=_TIMEOUT, cookie_jar=jar) as session,
            asyncio.TaskGroup() as clients,
        ):
            for _ in range(CLIENTS):
                clients.create_task(self._client(session))

    async def _client(self, session: aiohttp.ClientSession) -> None:
        while True:
            await asyncio.sleep(self._random.expovariate(1 / MEAN_PAUSE_S))
            await self._visit(session, self._choose())

    async def _visit(self, session: aiohttp.ClientSession, visit: Visit) -> None:
        began_s = time.monotonic()
        try:
            async with session.request(
                visit.method, visit.url, headers=visit.headers, data=visit.body
            ) as reply:
                body = await reply.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            took_s = time.monotonic() - began_s
            home, verdict, reason = visit.home, Verdict.LOST, type(error).__name__
        else:
            took_s = time.monotonic() - began_s
            degraded = reply.headers.get(DEGRADED_FIELD, "")
            by = answering_cell(reply.content_type, body)
            problem = problem_named(reply.content_type, body)
            home = await self._homes.judging(visit.number, by)
            verdict = judge(reply.status, bool(degraded), by, home.name)
            verdict = excused(verdict, problem, self._is_busy())
            reason = f"{reply.status} {degraded or problem}".rstrip()
        self._tally.note(home.name, verdict, reason, took_s)

    def _choose(self) -> Visit:
        number = self._random.choice(self._pool)
        home = self._homes.of(number)
        path, method, body = self._random.choice(_ERRANDS)
        return Visit(number, home, self._edge(home).url + path, method, self._credential(number, home), body)

    def _edge(self, home: Cell) -> EdgeLayout:
        """The edge that a client comes to: users of `us` are now and then in Europe, those of `eu` stay."""
        if home.jurisdiction == self._layout.us.jurisdiction and self._random.random() < 0.7:
            return self._layout.us
        return self._layout.eu

    def _credential(self, number: int, home: Cell) -> dict[str, str]:
        algorithm = self._random.choice(ALGORITHMS)
        claimed = home.name if self._random.random() < 0.5 else ""
        token = self._tokens.token(number, algorithm, claimed)
        if self._random.random() < 0.3:
            return {"Cookie": f"session={token}"}
        return {"Authorization": f"Bearer {token}"}


_ERRANDS: Final = (
    ("/me", "GET", None),
    ("/me", "GET", None),
    ("/status", "GET", None),
    ("/notes", "POST", b"x" * 200),
)
