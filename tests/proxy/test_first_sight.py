"""A real edge that gives new users their home: many ask at once, of every worker, and all agree."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from itertools import count, islice
from pathlib import Path

import pytest

from lookup.placement import CellRoom, Newcomer, Occupancy, ShareLimits, choose
from lookup.stores.sqlite import SqliteStore
from proxy.cli.acknowledgement import ask_workers
from tests.lookup.asynchronous import DEADLINE_S, asynchronous, within
from tests.proxy.config.site import Site, make_keys
from tests.proxy.moving_stage import CELLS, MovingStage, moving_stage
from tests.proxy.workers.stage import until

pytestmark = pytest.mark.slow


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "site", make_keys(tmp_path / "keys"))


async def ask(stage: MovingStage, method: str, user: str) -> tuple[int, str]:
    client = stage.bearer(user)
    try:
        answer = await client.ask(method, user)
    finally:
        client.close()
    return answer.status, answer.body


@asynchronous
async def test_a_new_user_has_one_home_from_its_first_requests_on(site: Site) -> None:
    site.spoil(("access_log: access.log\n", "access_log: access.log\nplacement: {first_sight: true}\n"))
    async with moving_stage(site) as stage:
        users = [f"new-{number}" for number in range(12)]
        asked = [(method, user) for user in users for method in ("GET", "POST") * 4]
        answers = await asyncio.gather(*(ask(stage, method, user) for method, user in asked))
        assert Counter(status for status, _ in answers) == {200: len(asked)}
        homes: dict[str, set[str]] = {user: set() for user in users}
        for (_, user), (_, cell) in zip(asked, answers, strict=True):
            homes[user].add(cell)
        store = await SqliteStore.open(site.folder / "home.sqlite")
        truth = await store.read([f"user:{user}" for user in users])
        await store.close()
        assert homes == {user: {truth[f"user:{user}"].cell} for user in users}
        assert {record.epoch for record in truth.values()} == {1}
        assert {record.jurisdiction for record in truth.values()} == {"eu"}


@asynchronous
async def test_without_being_told_to_an_edge_places_nobody(site: Site) -> None:
    async with moving_stage(site) as stage:
        assert (await ask(stage, "GET", "new"))[0] == 404
        assert (await ask(stage, "GET", "1"))[0] == 200
        code, said = await stage.homecell("users", "show", "user:new")
        assert (code, said) == (1, "user:new has no home\n")


def newcomers_of_eu_1(since: int) -> list[str]:
    """Some users whose home that cell would be, were its weight that of the other one."""
    rooms = [CellRoom(name, "eu") for name in CELLS]
    coming = (Newcomer(f"user:new-{number}", ["eu"]) for number in count(since))
    chosen = (new for new in coming if choose(new, rooms, Occupancy(), ShareLimits()) == rooms[0])
    return [new.key.removeprefix("user:") for new in islice(chosen, 8)]


@within(3 * DEADLINE_S)
async def test_a_weight_that_was_changed_is_taken_by_a_hangup_and_by_later_workers(site: Site) -> None:
    site.spoil(("access_log: access.log\n", "access_log: access.log\nplacement: {first_sight: true}\n"))
    async with moving_stage(site) as stage:
        assert await ask(stage, "GET", newcomers_of_eu_1(0)[0]) == (200, "eu-1")
        site.spoil(("  - name: eu-1\n", "  - name: eu-1\n    weight: 0\n"))
        stage.process.send_signal(signal.SIGHUP)
        rounds = count(1000, 1000)

        async def all_go_elsewhere() -> bool:
            users = newcomers_of_eu_1(next(rounds))
            return [await ask(stage, "GET", user) for user in users] == [(200, "eu-2")] * len(users)

        await until(all_go_elsewhere, "new users come to the other cell")
        await replace_workers(stage)
        assert await all_go_elsewhere()


async def replace_workers(stage: MovingStage) -> None:
    """Return when others serve instead of those that serve now."""
    before = worker_pids(stage)
    for pid in before:
        os.kill(pid, signal.SIGKILL)

    async def is_done() -> bool:
        workers = await asyncio.to_thread(ask_workers, stage.site.load().edge.admin)
        others = worker_pids(stage) - before
        return len(others) == len(before) and [worker.ready for worker in workers] == [True, True]

    await until(is_done, "others serve")


def worker_pids(stage: MovingStage) -> set[int]:
    """The supervisor's children."""
    pid = stage.process.pid
    return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}
