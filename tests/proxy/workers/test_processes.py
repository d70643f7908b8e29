"""An edge of real processes: what clients see when workers are killed, stopped, drained."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from pathlib import Path

import pytest

from tests.proxy.workers.load import LOST, Load, holding, refusing
from tests.proxy.workers.stage import DEADLINE_S, Stage, running, runs, started, until

pytestmark = pytest.mark.slow


def test_a_killed_worker_loses_only_what_it_had_in_flight(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path) as stage:
            await started(stage)
            async with Load(stage, clients=16) as load:
                await load.more(300)
                old = await stage.pid(1)
                os.kill(old, signal.SIGKILL)
                await stage.replaced(1, old)
                await load.more(300)
            assert set(load.seen) <= {"200", "lost"}
            assert load.seen["lost"] <= 16

    asyncio.run(scenario())


def test_connections_queued_for_a_worker_that_dies_are_served(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path, silent_s=60) as stage:
            await started(stage)
            old = await stage.pid(1)
            os.kill(old, signal.SIGSTOP)
            connections = [await stage.connect() for _ in range(40)]
            for connection in connections:
                connection.send()
            os.kill(old, signal.SIGKILL)
            answers = await asyncio.wait_for(asyncio.gather(*(c.receive() for c in connections)), DEADLINE_S)
            assert Counter(answer.status for answer in answers) == {200: 40}

    asyncio.run(scenario())


def test_new_connections_are_served_by_the_other_worker_until_the_replacement_comes(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path, first_delay_s=60) as stage:
            await started(stage)
            first = await stage.pid(1)
            os.kill(first, signal.SIGKILL)
            await stage.replaced(1, first)  # at once, but the next one not
            os.kill(await stage.pid(1), signal.SIGKILL)
            for _ in range(40):
                assert (await asyncio.wait_for(stage.ask(), DEADLINE_S)).status == 200
            assert set(await stage.workers()) == {0}
            assert (await stage.admin("/-/ready")).status == 200

    asyncio.run(scenario())


def test_a_replacement_takes_its_listener_back(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path) as stage:
            await started(stage)
            for slot in (0, 1, 0):
                old = await stage.pid(slot)
                os.kill(old, signal.SIGKILL)
                await stage.replaced(slot, old)
            for _ in range(40):
                assert (await asyncio.wait_for(stage.ask("/after"), DEADLINE_S)).status == 200

            async def logged() -> bool:
                return len(stage.log_lines()) == 40

            await until(logged, "every request is logged")
            assert {line["worker"] for line in stage.log_lines()} == {0, 1}

    asyncio.run(scenario())


def test_a_worker_that_is_stuck_is_killed_and_replaced(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path, silent_s=4) as stage:
            await started(stage)
            old = await stage.pid(0)
            os.kill(old, signal.SIGSTOP)
            for _ in range(20):  # at first its queue waits, then the other worker accepts for it
                assert (await asyncio.wait_for(stage.ask(), DEADLINE_S)).status == 200
            await stage.replaced(0, old)
            assert not runs(old)
            assert any("is stuck" in line for line in stage.said)

    asyncio.run(scenario())


def test_the_time_that_a_worker_was_suspended_is_neither_the_cells_nor_the_clients(tmp_path: Path) -> None:
    limits = {"limits": {"request_timeout_s": 2, "head_timeout_s": 2}, "lookup": {"deadline_s": 1}}

    async def scenario() -> None:
        async with running(tmp_path, silent_s=60, sections=limits) as stage:
            await started(stage)
            connections = [await stage.connect() for _ in range(40)]
            for connection in connections:
                connection.send("/hold")
            await holding(stage, 40)
            pids = [pid for pid, _ in (await stage.workers()).values()]
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
            stage.cell.let_go.set()
            late = [await stage.connect() for _ in range(40)]
            for connection in late:
                connection.send()
            await asyncio.sleep(3)  # longer than all the limits
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
            answers = await asyncio.gather(*(c.receive() for c in (*connections, *late)))
            assert Counter(answer.status for answer in answers) == {200: 80}

    asyncio.run(scenario())


def test_workers_end_after_their_supervisor_was_killed(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path) as stage:
            await started(stage)
            pids = [pid for pid, _ in (await stage.workers()).values()]
            held = asyncio.create_task(stage.ask("/hold"))
            await holding(stage, 1)
            stage.process.kill()
            await refusing(stage)
            stage.cell.let_go.set()
            assert (await held).status == 200

            async def gone() -> bool:
                return not any(map(runs, pids))

            await until(gone, "both workers have ended")

    asyncio.run(scenario())


def test_a_worker_that_is_told_to_end_is_replaced_while_it_drains(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path) as stage:
            await started(stage)
            held = [asyncio.create_task(stage.ask("/hold")) for _ in range(8)]
            await holding(stage, 8)
            old = {slot: pid for slot, (pid, _) in (await stage.workers()).items()}
            async with Load(stage, clients=4) as load:
                for slot in (0, 1):
                    os.kill(old[slot], signal.SIGTERM)
                    await stage.replaced(slot, old[slot])
                await load.more(100)
            assert set(load.seen) == {"200"}
            assert runs(old[0])
            assert runs(old[1])
            stage.cell.let_go.set()
            assert {answer.status for answer in await asyncio.gather(*held)} == {200}

    asyncio.run(scenario())


async def _published(stage: Stage, done: int, in_flight: int) -> bool:
    metrics = await stage.metrics()
    seen = metrics.total("homecell_requests_total", code="200"), metrics.total("homecell_in_flight_requests")
    return seen == (done, in_flight)


def test_counters_survive_a_workers_death_and_levels_do_not(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path) as stage:
            await started(stage)
            for _ in range(40):
                assert (await stage.ask()).status == 200
            held = [asyncio.create_task(stage.ask("/hold")) for _ in range(20)]
            await holding(stage, 20)
            await until(
                lambda: _published(stage, done=40, in_flight=20), "the workers published their counts"
            )
            before = await stage.metrics()
            assert before.value("homecell_workers") == 2
            for slot in (0, 1):
                old = await stage.pid(slot)
                os.kill(old, signal.SIGKILL)
                await stage.replaced(slot, old)
            after = await stage.metrics()
            assert after.total("homecell_requests_total", code="200") == 40
            assert after.total("homecell_lookups_total") == before.total("homecell_lookups_total")
            assert after.total("homecell_in_flight_requests") == 0
            assert after.value("homecell_client_connections") == 0
            assert after.value("homecell_worker_restarts_total") == 2
            assert {type(end) for end in await asyncio.gather(*held, return_exceptions=True)} <= set(LOST)

    asyncio.run(scenario())


def test_a_hangup_of_a_worker_alone_lets_it_write_to_a_new_log_and_ends_nothing(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path) as stage:
            await started(stage)
            before = await stage.workers()
            stage.log.rename(tmp_path / "access.log.1")
            for pid, _ in before.values():
                os.kill(pid, signal.SIGHUP)

            async def reopened() -> bool:
                await stage.ask("/after")
                return stage.log.exists() and {line["worker"] for line in stage.log_lines()} == {0, 1}

            await until(reopened, "both workers have written to the new log")
            assert await stage.workers() == before

    asyncio.run(scenario())


def test_after_a_hangup_both_workers_write_to_a_new_log(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path) as stage:
            await started(stage)
            await stage.ask("/before")
            stage.log.rename(tmp_path / "access.log.1")
            stage.process.send_signal(signal.SIGHUP)

            async def reopened() -> bool:
                await stage.ask("/after")
                return stage.log.exists() and {line["worker"] for line in stage.log_lines()} == {0, 1}

            await until(reopened, "both workers have written to the new log")
            assert "/before" not in {line["path"] for line in stage.log_lines()}

    asyncio.run(scenario())
