"""The edge is told to stop: whoever had connected by then gets an answer, whoever comes later is refused."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from tests.proxy.workers.stage import Stage, running, started, until

pytestmark = pytest.mark.slow

QUEUED = 120


def test_connections_queued_while_the_workers_are_busy_are_answered(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path, silent_s=30.0) as stage:
            await started(stage)
            workers = [await stage.pid(slot) for slot in (0, 1)]
            for pid in workers:
                os.kill(pid, signal.SIGSTOP)
            connections = [await stage.connect() for _ in range(QUEUED)]
            for connection in connections:
                connection.send()
            stage.process.terminate()
            await _stopping(stage)
            for pid in workers:
                os.kill(pid, signal.SIGCONT)
            answers = await asyncio.gather(*(connection.receive() for connection in connections))
            assert Counter(answer.status for answer in answers) == {200: QUEUED}
            assert {answer.fields["connection"] for answer in answers} == {"close"}
            for connection in connections:
                connection.close()
            assert await stage.ended() == 0

    asyncio.run(scenario())


def test_clients_that_go_on_connecting_are_answered_or_refused_but_never_reset(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path) as stage:
            await started(stage)
            seen: Counter[str] = Counter()
            clients = [asyncio.create_task(_ask_until_refused(stage, seen)) for _ in range(16)]

            async def busy() -> bool:
                return seen["200"] > 200

            await until(busy, "the clients are at it")
            stage.process.terminate()
            await asyncio.gather(*clients)
            assert seen.keys() == {"200", "refused"}
            assert await stage.ended() == 0

    asyncio.run(scenario())


async def _ask_until_refused(stage: Stage, seen: Counter[str]) -> None:
    while not seen["refused"]:
        try:
            connection = await stage.connect()
        except ConnectionRefusedError:
            seen["refused"] += 1
            return
        with closing(connection):
            try:
                seen[str((await connection.ask()).status)] += 1
            except (EOFError, ConnectionError) as error:
                seen[type(error).__name__] += 1


async def _stopping(stage: Stage) -> None:
    async def told() -> bool:
        return any("stopping:" in line for line in stage.said)

    await until(told, "the supervisor stops")
