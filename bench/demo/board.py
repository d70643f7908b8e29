"""Shows the traffic as it is: one line per cell, live on a terminal, printed now and then elsewhere."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

import aiohttp
from rich.console import Console
from rich.live import Live
from rich.table import Table

from bench.demo.tally import CellTally, Tally, Verdict

_LIVE_EVERY_S: Final = 0.5
_PLAIN_EVERY_S: Final = 5.0
_FLAGS_EVERY_S: Final = 1.0
_COLUMNS: Final = ("cell", "req/s", "p50 ms", "p99 ms", "errors", "degraded", "wrong cell", "flag", "seen")


@dataclass(frozen=True, slots=True)
class Line:
    """One cell's line, as text: of its last two, what operators say of the cell and what its users see.

    `alarm` says that something is there which must not be.
    """

    texts: tuple[str, ...]
    alarm: bool


def line(name: str, cell: CellTally, flag: str, now_s: float) -> Line:
    wrong = cell.verdicts[Verdict.WRONG]
    errors = cell.verdicts[Verdict.ERROR] + cell.verdicts[Verdict.LOST]
    texts = (
        name,
        f"{cell.rate(now_s):.1f}",
        f"{cell.latency_s(0.5) * 1e3:.1f}",
        f"{cell.latency_s(0.99) * 1e3:.1f}",
        str(errors),
        str(cell.verdicts[Verdict.DEGRADED]),
        str(wrong),
        flag,
        cell.seen(now_s) or "-",
    )
    return Line(texts, alarm=bool(wrong or errors))


class FlagWatch:
    """`follow` keeps `current`, the flag of each cell, as fresh as `fetch` allows, until it is cancelled."""

    def __init__(self, fetch: Callable[[], Awaitable[Mapping[str, str]]]) -> None:
        self._fetch = fetch
        self.current: dict[str, str] = {}

    async def follow(self) -> None:
        while True:
            try:
                self.current.update(await self._fetch())
            except (aiohttp.ClientError, TimeoutError):
                self.current.clear()
            await asyncio.sleep(_FLAGS_EVERY_S)


class Board:
    """`run` shows until it is cancelled. `flags` has the flag of each cell, where it is known."""

    def __init__(self, console: Console, tally: Tally, flags: Mapping[str, str]) -> None:
        self._console = console
        self._tally = tally
        self._flags = flags

    async def run(self) -> None:
        if self._console.is_terminal:
            with Live(self._table(), console=self._console, auto_refresh=False) as live:
                while True:
                    await asyncio.sleep(_LIVE_EVERY_S)
                    live.update(self._table(), refresh=True)
        while True:
            await asyncio.sleep(_PLAIN_EVERY_S)
            self.print_once()

    def print_once(self) -> None:
        for row in self._lines():
            figures = zip(_COLUMNS[1:], row.texts[1:], strict=True)
            self._console.out(row.texts[0].ljust(20), *(f"{name} {text}".ljust(14) for name, text in figures))

    def _lines(self) -> list[Line]:
        now_s = time.monotonic()
        return [
            line(name, cell, self._flags.get(name, "?"), now_s) for name, cell in self._tally.cells.items()
        ]

    def _table(self) -> Table:
        table = Table(*_COLUMNS, title="live traffic by home cell (latency of the last 5 s)")
        for column in table.columns[1:-2]:
            column.justify = "right"
        for row in self._lines():
            table.add_row(*row.texts, style="bold red" if row.alarm else None)
        return table
