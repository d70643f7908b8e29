"""What moved, told to many followers: in lines, so that no loop stands still, read once for all who ask."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from random import Random
from typing import Final

import pytest
from aiohttp import web

from lookup.client import LookupClient
from lookup.moved import MovedSet
from lookup.ports import Change, History, KeyMove, StoreUnavailableError
from lookup.resolution import Hint
from lookup.service.forms import moves_of
from lookup.service.histories import LINE_MOVES, Histories
from lookup.stores.sqlite import SqliteStore
from tests.lookup.asynchronous import asynchronous, settle, until
from tests.lookup.fakes import NOW_S, FakeFeed
from tests.lookup.service.site import READ_TOKEN, serving
from tests.proxy.workers.stage import until as until_true

CELLS: Final = ("cell-a", "cell-b", "cell-c")
MANY: Final = 100_000
TURN_S: Final = 0.08
"""Of the loop's own work. What a history of MANY took in one piece is four times as much."""


class GatedFeed(FakeFeed):
    """Histories that wait; `asked` are the times since which they were asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.asked: list[float] = []

    async def history(self, since_s: float) -> History:
        self.asked.append(since_s)
        await self.gate.wait()
        return await super().history(since_s)


class EvacuatedStore(SqliteStore):
    """One that tells of many moves; its feed begins when `gate` lets it."""

    told: list[KeyMove]
    gate: asyncio.Event

    async def history(self, since_s: float) -> History:
        return History(since_s, self.told)

    async def follow(self) -> AsyncGenerator[Change, None]:
        await self.gate.wait()
        async for change in super().follow():
            yield change


async def opened(folder: Path, moves: list[KeyMove]) -> EvacuatedStore:
    store = await EvacuatedStore.open(folder / "home.sqlite", create=True)
    store.told, store.gate = moves, asyncio.Event()
    return store


def decoded(lines: object) -> tuple[object, list[list[object]]]:
    assert isinstance(lines, list)
    head, *rest = [json.loads(line) for line in lines]
    return head, [row for line in rest for row in line]


@asynchronous
async def test_a_long_history_is_told_whole_and_lets_others_have_their_turns(tmp_path: Path) -> None:
    moves = [KeyMove(f"user:{number}", 2, NOW_S + number, "cell-a") for number in range(MANY)]
    store = await opened(tmp_path, moves)
    async with serving(store, tmp_path) as service, LookupClient(service.url, READ_TOKEN) as client:
        gc.disable()  # what the collector takes is no matter of histories: lookup.collector
        try:
            asking = asyncio.create_task(client.history(NOW_S))
            longest_s, begun_s = 0.0, time.thread_time()
            while not asking.done():
                await asyncio.sleep(0)
                now_s = time.thread_time()
                longest_s, begun_s = max(longest_s, now_s - begun_s), now_s
        finally:
            gc.enable()
        assert await asking == History(NOW_S, moves)
        assert longest_s < TURN_S
    await store.close()


@asynchronous
async def test_of_a_keys_moves_away_from_one_cell_the_latest_is_told() -> None:
    feed = FakeFeed()
    feed.moves = [
        KeyMove("user:1", 2, 1.0, "cell-a"),
        KeyMove("user:2", 2, 2.0, "cell-a"),
        KeyMove("user:1", 3, 3.0, "cell-a"),
        KeyMove("user:1", 4, 4.0, "cell-b"),
        KeyMove("user:2", 1, 5.0, "cell-a"),
    ]
    head, rows = decoded(await Histories(feed).lines(0.5))
    assert head == {"covers_since_s": 0.5, "moves": 3}
    assert rows == [["user:2", 2, 2.0, "cell-a"], ["user:1", 3, 3.0, "cell-a"], ["user:1", 4, 4.0, "cell-b"]]


@pytest.mark.parametrize("seed", range(20))
def test_whatever_claim_a_move_overrules_is_overruled_by_what_is_told_too(seed: int) -> None:
    """Also where the followers' sets are too small for all of it."""
    random = Random(seed)
    homes = {f"user:{number}": [random.choice(CELLS)] for number in range(6)}
    feed = FakeFeed()
    for at_s in range(1, 40):
        key = random.choice(list(homes))
        left = homes[key][-1]
        homes[key].append(random.choice([cell for cell in CELLS if cell != left]))
        feed.moves.append(KeyMove(key, len(homes[key]), float(at_s), left))
    _, rows = decoded(asyncio.run(Histories(feed).lines(0.0)))
    for capacity in (2, 100):
        told = MovedSet(capacity, 0.0)
        for move in moves_of(rows):
            told.note(move.key, move.epoch, move.moved_at_s, move.left_cell)
        for move in feed.moves:
            claim = Hint(move.left_cell, move.epoch - 1, move.moved_at_s - 0.5)
            assert told.overrules(move.key, claim), move


@asynchronous
async def test_those_who_ask_while_it_is_read_share_the_next_reading() -> None:
    feed = GatedFeed()
    feed.moves = [KeyMove("user:1", 2, 5.0, "cell-a")]
    histories = Histories(feed)
    first = asyncio.create_task(histories.lines(1.0))
    await until(lambda: feed.asked == [1.0])
    others = [asyncio.create_task(histories.lines(since_s)) for since_s in (9.0, 3.0, 7.0)]
    others[0].cancel()
    await settle()
    feed.moves.append(KeyMove("user:2", 2, 6.0, "cell-a"))
    feed.gate.set()
    assert decoded(await first)[0] == {"covers_since_s": 1.0, "moves": 2}
    shared = await asyncio.gather(*others[1:])
    assert shared[0] is shared[1]
    assert feed.asked == [1.0, 3.0]
    assert [row[0] for row in decoded(shared[0])[1]] == ["user:1", "user:2"]
    assert decoded(await histories.lines(5.5))[0] == {"covers_since_s": 5.5, "moves": 1}


@asynchronous
async def test_a_reading_that_fails_does_not_fail_the_next_one(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "home.sqlite", create=True)
    histories = Histories(store)
    assert decoded(await histories.lines(0.0))[1] == []
    await store.close()
    for _ in range(2):
        with pytest.raises(StoreUnavailableError):
            await histories.lines(0.0)


@asynchronous
async def test_a_history_that_is_not_told_to_its_end_is_none() -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(text='{"covers_since_s": 1.0, "moves": 2}\n[["user:1", 2, 5.0, "cell-a"]]\n')

    application = web.Application()
    application.router.add_get("/v1/history", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with LookupClient(f"http://127.0.0.1:{runner.addresses[0][1]}", READ_TOKEN) as client:
        with pytest.raises(StoreUnavailableError, match="1 of 2 moves were told"):
            await client.history(0.0)
    await runner.cleanup()


@pytest.mark.parametrize("path", ["/v1/changes", "/v1/history?since_s=0"])
def test_a_client_that_left_before_the_head_is_nothing_to_report(
    tmp_path: Path, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    @asynchronous
    async def scenario() -> None:
        store = await opened(tmp_path, [KeyMove(f"user:{number}", 2, NOW_S, "c") for number in range(5000)])
        async with serving(store, tmp_path) as service:
            host, port = service.url.removeprefix("http://").split(":")
            _, writer = await asyncio.open_connection(host, int(port))
            head = f"GET {path} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {READ_TOKEN}\r\n\r\n"
            writer.write(head.encode())
            await writer.drain()
            writer.transport.abort()
            await asyncio.sleep(0.05)
            store.gate.set()
            operation = "followChanges" if "changes" in path else "getHistory"

            told = f'homecell_service_requests_total{{code="200",operation="{operation}"}}'

            async def is_over() -> bool:
                return told in await service.text("/metrics")

            await until_true(is_over, "the service has noticed")
        await store.close()

    with caplog.at_level(logging.WARNING):
        scenario()
    assert "Traceback" not in caplog.text


def test_a_line_has_a_bounded_number_of_moves() -> None:
    feed = FakeFeed()
    feed.moves = [KeyMove(f"user:{number}", 2, 1.0, "cell-a") for number in range(LINE_MOVES + 1)]
    lines = asyncio.run(Histories(feed).lines(0.0))
    assert [len(json.loads(line)) for line in lines[1:]] == [LINE_MOVES, 1]
