"""An edge of real processes that is told to stop: what runs is finished, slow clients read, limits hold."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.proxy.workers.connections import BIG_BYTES, Answer
from tests.proxy.workers.load import LOST, holding, refusing
from tests.proxy.workers.stage import Stage, running, started, until

pytestmark = pytest.mark.slow


def test_told_to_stop_it_finishes_what_runs_and_takes_nothing_new(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path) as stage:
            await started(stage)
            held = [asyncio.create_task(stage.ask("/hold")) for _ in range(8)]
            idle = await stage.connect()
            assert (await idle.ask()).status == 200
            await holding(stage, 8)
            stage.process.terminate()
            await refusing(stage)
            assert (await stage.admin("/-/ready")).status == 503
            assert (await stage.admin("/-/live")).status == 200
            stage.cell.let_go.set()
            for answer in await asyncio.gather(*held):
                assert answer == Answer(200, answer.fields, b"ok")
                assert answer.fields["connection"] == "close"
            assert await stage.ended() == 0

    asyncio.run(scenario())


def test_told_to_stop_it_lets_a_slow_client_read_what_was_answered(tmp_path: Path) -> None:
    """No request is in flight any more, but of the replies some still wait in the worker."""

    async def scenario() -> None:
        async with running(tmp_path) as stage:
            await started(stage)
            client = await stage.connect()
            client.stop_reading()
            for _ in range(500):  # more than all buffers on the way hold
                client.send("/big")
            answered = -1
            while len(stage.log_lines()) > answered:
                answered = len(stage.log_lines())
                await asyncio.sleep(0.6)
            assert 0 < answered < 500
            stage.process.terminate()
            await asyncio.sleep(1.5)
            client.go_on_reading()
            received, last = 0, False
            while not last:
                answer = await client.receive()
                received, last = received + 1, answer.fields.get("connection") == "close"
                assert len(answer.body) == BIG_BYTES
            assert answered < received < 500
            client.close()
            assert await stage.ended() == 0

    asyncio.run(scenario())


def test_what_does_not_finish_within_the_limit_is_cut(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path, drain_timeout_s=0.5) as stage:
            await started(stage)
            held = asyncio.create_task(stage.ask("/hold"))
            await holding(stage, 1)
            stage.process.terminate()
            assert await stage.ended() == 0
            with pytest.raises(LOST):
                await held
            assert [line["reason"] for line in stage.log_lines()] == ["drain-cut"]
            await until(
                lambda: _says(stage, "broke off 1 of 1 connections"), "the log says how many were cut"
            )

    asyncio.run(scenario())


def test_a_store_that_does_not_close_is_named_and_costs_no_line_of_the_access_log(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path, drain_timeout_s=0.5) as stage:
            await started(stage)
            held = asyncio.create_task(stage.ask("/hold"))
            await holding(stage, 1)
            with closing(sqlite3.connect(tmp_path / "home.sqlite", isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")  # nobody else can write: no lease can be returned
                stage.process.terminate()
                assert await stage.ended() == 0
            with pytest.raises(LOST):
                await held
            assert [line["reason"] for line in stage.log_lines()] == ["drain-cut"]
        cut = [line for line in stage.said if "its store and its cache to close" in line]
        assert sorted(line.partition("broken off: ")[2][0] for line in cut) == ["0", "1"]

    asyncio.run(scenario())


async def _says(stage: Stage, words: str) -> bool:
    return any(words in line for line in stage.said)


def test_told_twice_it_stops_at_once(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path, drain_timeout_s=3600) as stage:
            await started(stage)
            held = asyncio.create_task(stage.ask("/hold"))
            await holding(stage, 1)
            stage.process.send_signal(signal.SIGINT)
            await refusing(stage)
            stage.process.send_signal(signal.SIGINT)
            assert await stage.ended() == 0
            with pytest.raises(LOST):
                await held
            await until(lambda: _says(stage, "has not ended yet: killed"), "the log names who was killed")

    asyncio.run(scenario())
