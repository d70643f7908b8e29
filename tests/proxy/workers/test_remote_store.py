"""An edge without a database of its own: its workers ask a lookup service."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from pathlib import Path

import pytest

from bench.servers.ports import free_port
from lookup.announcement import Announcement
from lookup.flags import Flag
from lookup.mover import MoveListener, Mover, Patience
from lookup.moves import Move, MoveOrder, Step
from lookup.ports import FeedingStore
from lookup.service.run import running as service_running
from lookup.stores.sqlite import SqliteStore
from lookup.writer import place
from tests.lookup.service.site import READ_TOKEN, SETTINGS, tokens
from tests.proxy.workers.stage import CELL, USER, Stage, running, started, until

pytestmark = pytest.mark.slow


def test_its_users_are_served_and_follow_flags_also_after_the_service_was_away(tmp_path: Path) -> None:
    async def scenario() -> None:
        database = await SqliteStore.open(tmp_path / "truth.sqlite", create=True)
        await place(database, f"user:{USER}", CELL, "eu", time.time())
        (tmp_path / "token").write_text(READ_TOKEN)
        port = free_port()
        remote = {"kind": "remote", "url": f"http://127.0.0.1:{port}", "token_file": "token"}
        try:
            async with running(tmp_path, sections={"store": remote}) as stage:
                async with service_running(database, tokens(tmp_path), SETTINGS, "127.0.0.1", port):
                    await started(stage)
                    assert (await stage.ask("/", "POST")).status == 200
                await _flag(database, Flag.DOWN)
                async with service_running(database, tokens(tmp_path), SETTINGS, "127.0.0.1", port):
                    await until(partial(_answers, stage, 503), "the flag is applied")
                    await _flag(database, Flag.SERVING)
                    await until(partial(_answers, stage, 200), "the flag is lifted")
        finally:
            await database.close()

    asyncio.run(scenario())


class Copying:
    """Hooks that note when they ran (Unix seconds)."""

    def __init__(self) -> None:
        self.ran_at_s: list[float] = []

    async def run(self, _hook: str, _move: Move) -> None:
        self.ran_at_s.append(time.time())


def test_a_move_waits_for_a_write_that_its_worker_had_confirmed_through_the_service(tmp_path: Path) -> None:
    """The worker has no lease that could be waited for. What it confirmed may take six seconds by its own
    limits, which count because the service's are lower."""

    async def scenario() -> None:
        database = await SqliteStore.open(tmp_path / "truth.sqlite", create=True)
        await place(database, f"user:{USER}", CELL, "eu", time.time())
        (tmp_path / "token").write_text(READ_TOKEN)
        port, hooks = free_port(), Copying()
        remote = {"kind": "remote", "url": f"http://127.0.0.1:{port}", "token_file": "token"}
        limits = {"request_timeout_s": 5.5, "cell_request_limit_s": 0.5}
        says = Announcement("lookup/confirms", database, 0.1, time.time, time.perf_counter)
        mover = Mover(
            database, database, database, hooks, "ann", time.time, Patience(60, 0.5), MoveListener()
        )
        try:
            async with (
                service_running(database, tokens(tmp_path), SETTINGS, "127.0.0.1", port, announcement=says),
                running(tmp_path, sections={"store": remote, "limits": limits}) as stage,
            ):
                await started(stage)
                assert (await stage.ask("/")).status == 200
                assert list(await database.leases()) == [], "a read asks for no confirmation"
                assert (await stage.ask("/", "POST")).status == 200
                begun_s = time.time()
                await mover.begin(MoveOrder("op-1", f"user:{USER}", "eu-west-1-cell-02", "copy"))
                assert (await mover.drive("op-1")).step is Step.DONE
                assert hooks.ran_at_s[0] >= begun_s + 6.0 + 0.5
        finally:
            await database.close()

    asyncio.run(scenario())


async def _flag(store: FeedingStore, flag: Flag) -> None:
    await store.set_flag(CELL, flag, reason="test", author="tester", now_s=time.time())


async def _answers(stage: Stage, status: int) -> bool:
    return (await stage.ask("/", "POST")).status == status
