"""Shows the traffic as it is: one line per cell, live on a terminal, printed now and then elsewhere."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

import aiohttp
from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from bench.demo.tally import RECENT_S, CellTally, Tally, Verdict

T = TypeVar("T")

_LIVE_EVERY_S: Final = 0.5
_PLAIN_EVERY_S: Final = 5.0
_WATCH_EVERY_S: Final = 1.0
_NOW: Final = ("cell", "req/s", "p50 ms", "p99 ms")
_SINCE_START: Final = ("errors", "degraded", "not mine")
_COLUMNS: Final = (*_NOW, *_SINCE_START, "flag", "seen")
LEGEND: Final = f"of the last {RECENT_S:g} s, but {', '.join(_SINCE_START)}: since the start"


@dataclass(frozen=True, slots=True)
class Line:
    """One cell's line, as text: of its last two, what operators say of the cell and what its users see.

    `alarm` says that something is there which must not be.
    """

    texts: tuple[str, ...]
    alarm: bool


def line(name: str, cell: CellTally, flag: str, not_mine: str, now_s: float) -> Line:
    """`not_mine`: how many requests the cell refused because they were not of its users. Where users move a
    few are normal: the edge asks the truth and sends them on."""
    errors = sum(
        cell.verdicts[verdict] for verdict in (Verdict.ERROR, Verdict.LATE, Verdict.LOST, Verdict.WRONG)
    )
    texts = (
        name,
        f"{cell.rate(now_s):.1f}",
        f"{cell.latency_s(0.5) * 1e3:.1f}",
        f"{cell.latency_s(0.99) * 1e3:.1f}",
        str(errors),
        str(cell.verdicts[Verdict.DEGRADED]),
        not_mine,
        flag,
        cell.seen(now_s) or "-",
    )
    return Line(texts, alarm=bool(errors))


class Watch(Generic[T]):
    """`follow` keeps `current`, something of each cell, as fresh as `fetch` allows, until it is cancelled."""

    def __init__(
        self, fetch: Callable[[], Awaitable[Mapping[str, T]]], every_s: float = _WATCH_EVERY_S
    ) -> None:
        self._fetch = fetch
        self._every_s = every_s
        self.current: dict[str, T] = {}

    async def follow(self) -> None:
        while True:
            try:
                told = await self._fetch()
            except (aiohttp.ClientError, TimeoutError):
                told = {}
            self.current.clear()
            self.current.update(told)
            await asyncio.sleep(self._every_s)


class Board:
    """`run` shows until it is cancelled. `flags` has the flag of each cell, `not_mine` how many requests it
    refused as not of its users; where that is known.

    hint    shown below the live lines, where what was printed before may be out of sight
    """

    def __init__(
        self,
        console: Console,
        tally: Tally,
        flags: Mapping[str, str],
        not_mine: Mapping[str, int],
        hint: str = "",
    ) -> None:
        self._console = console
        self._hint = hint
        self._tally = tally
        self._flags = flags
        self._not_mine = not_mine

    async def run(self) -> None:
        if self._console.is_terminal:
            with Live(self.picture(), console=self._console, auto_refresh=False) as live:
                while True:
                    await asyncio.sleep(_LIVE_EVERY_S)
                    live.update(self.picture(), refresh=True)
        self.print_legend()
        while True:
            await asyncio.sleep(_PLAIN_EVERY_S)
            self.print_once()

    def print_legend(self) -> None:
        """What the figures of `print_once` are of."""
        self._console.out(f"figures {LEGEND}")

    def print_once(self) -> None:
        for row in self._lines():
            figures = zip(_COLUMNS[1:], row.texts[1:], strict=True)
            self._console.out(row.texts[0].ljust(20), *(f"{name} {text}".ljust(14) for name, text in figures))

    def _lines(self) -> list[Line]:
        now_s = time.monotonic()
        return [
            line(name, cell, self._flags.get(name, "?"), str(self._not_mine.get(name, "?")), now_s)
            for name, cell in self._tally.cells.items()
        ]

    def picture(self) -> Group:
        """What a terminal shows at this moment."""
        return Group(self._table(), Text(self._hint))

    def _table(self) -> Table:
        table = Table(
            *_COLUMNS,
            title=f"live traffic, {LEGEND}",
            box=SIMPLE_HEAD,
            padding=0,
            show_edge=False,
        )
        table.columns[0].min_width = max(map(len, self._tally.cells))  # cut names could not be told apart
        for column in table.columns[1:-2]:
            column.justify = "right"
        for row in self._lines():
            table.add_row(*row.texts, style="bold red" if row.alarm else None)
        return table
