"""Users move between cells of a real edge while they are being served."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest
import yaml

from lookup.mover import Mover
from lookup.moves import Move, MoveOrder, Step
from proxy.cli.moving import Waits, drive
from proxy.config import load
from tests.lookup.asynchronous import within
from tests.proxy.config.site import Site, make_keys
from tests.proxy.moving_stage import Client, MovingStage, moving_stage
from tests.proxy.workers.stage import until
from tests.support.on_cassandra import empty_keyspace, sections

pytestmark = pytest.mark.slow

DEADLINE_S: Final = 240.0
"""A busy machine takes a second for each command, and several for an edge's start."""


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_keys(tmp_path_factory.mktemp("demo") / "keys")


@pytest.fixture(params=["sqlite", "cassandra"])
def site(tmp_path: Path, keys: Path, request: pytest.FixtureRequest) -> Site:
    made = Site(tmp_path / "site", keys)
    if request.param == "cassandra":
        ring = request.getfixturevalue("shared_cassandra")
        redis = request.getfixturevalue("redis_server")
        empty_keyspace(ring, "moving")
        servers = yaml.safe_dump(sections(ring, redis, "moving"))
        made.spoil(("store: {kind: sqlite, path: home.sqlite}\n", servers))
    return made


class Traffic:
    """A user's reads and writes over one connection, until told to stop."""

    def __init__(self, client: Client, user: str) -> None:
        self.statuses: Counter[tuple[str, int]] = Counter()
        self._client = client
        self._user = user
        self._going = True
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        turn = 0
        while self._going:
            turn += 1
            method = "POST" if turn % 2 else "GET"
            answer = await self._client.ask(method, self._user)
            self.statuses[method, answer.status] += 1
            await asyncio.sleep(0.002)

    async def stop(self) -> None:
        self._going = False
        await self._task
        self._client.close()


def child_of(pid: int) -> int:
    """One of the processes that this one has started."""
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


def hook(*statements: str) -> str:
    """A copy command that runs these Python statements."""
    return f'{sys.executable} -c "import os, time; {"; ".join(statements)}"'


def noting(file: Path, work_s: float) -> str:
    """A copy command that writes down when it began, and takes its time."""
    return hook(f"open('{file}', 'w').write(str(time.time_ns()))", f"time.sleep({work_s})")


async def _has_served(stage: MovingStage, cell: str, traffic: Sequence[Traffic]) -> bool:
    """Whether it has answered far more writes of the user than there are connections."""
    return sum(write.user == "1" for write in stage.cells[cell].writes()) > 4 * len(traffic)


async def move(stage: MovingStage, user: str, copy: str, *more: str) -> tuple[int, str]:
    return await stage.homecell(
        "users", "move", f"user:{user}", "--to", "eu-2", "--copy-command", copy, *more
    )


@within(DEADLINE_S)
async def test_no_write_reaches_the_old_cell_after_the_copy_began_and_then_all_go_to_the_new_one(
    site: Site,
) -> None:
    async with moving_stage(site) as stage:
        began = site.folder / "began"
        traffic = [Traffic(stage.bearer("1"), "1") for _ in range(3)]
        traffic += [Traffic(stage.bearer("1", "eu-1", 1), "1") for _ in range(3)]
        bystander = Traffic(stage.bearer("2"), "2")
        await until(lambda: _has_served(stage, "eu-1", traffic), "the old cell serves all of them")
        status, said = await move(stage, "1", noting(began, 0.5))
        assert status == 0, said
        assert "user:1 is at home in eu-2 (epoch 3)" in said
        await until(lambda: _has_served(stage, "eu-2", traffic), "the new cell serves all of them")
        for one in (*traffic, bystander):
            await one.stop()
        began_at_ns = int(began.read_text())
        old = [write for write in stage.cells["eu-1"].writes() if write.user == "1"]
        assert len(old) > 10
        assert max(write.ended_at_ns for write in old) < began_at_ns
        assert {write.epoch for write in old} == {1}
        new = [write for write in stage.cells["eu-2"].writes() if write.user == "1"]
        assert len(new) > 10
        assert {write.epoch for write in new} == {3}
        told = sum((one.statuses for one in traffic), Counter[tuple[str, int]]())
        assert set(told) == {("GET", 200), ("POST", 200), ("POST", 503)}
        assert set(bystander.statuses) == {("GET", 200), ("POST", 200)}


@within(DEADLINE_S)
async def test_credentials_from_before_the_move_lead_to_the_new_cell(site: Site) -> None:
    async with moving_stage(site) as stage:
        session = f"session={stage.token('1')}"
        browser = Client(stage.port, "")
        first = await browser.ask("GET", "1", session)
        cookie = first.fields["set-cookie"].partition(";")[0]
        claiming = stage.bearer("1", "eu-1", 1)
        assert (await browser.ask("GET", "1", f"{session}; {cookie}")).body == "eu-1"
        assert (await claiming.ask("POST", "1")).body == "eu-1"
        status, said = await stage.homecell("users", "move", "user:1", "--to", "eu-2", "--no-copy")
        assert status == 0, said
        for method in ("GET", "POST"):
            assert (await claiming.ask(method, "1")).body == "eu-2"
        after = await browser.ask("POST", "1", f"{session}; {cookie}")
        assert after.body == "eu-2"
        assert after.fields["set-cookie"].startswith("home_cell=")
        browser.close()
        claiming.close()


@within(DEADLINE_S)
async def test_a_worker_that_was_killed_is_waited_for_until_its_lease_and_its_requests_are_over(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    async with moving_stage(site) as stage:
        before_s = 0.0

        async def kill_a_worker_and_move(mover: Mover) -> Move:
            nonlocal before_s
            order = MoveOrder("op-1", "user:1", "eu-2")
            await mover.begin(order)
            before_s = time.monotonic()  # not before a command starts, which may take longer than a lease
            os.kill(child_of(stage.process.pid), signal.SIGKILL)
            return await mover.drive("op-1")

        moved = await asyncio.to_thread(drive, load(site.edge), Waits(1), False, kill_a_worker_and_move)
        assert moved.step is Step.DONE
        assert "waiting for edge-1/" in capsys.readouterr().out
        assert time.monotonic() - before_s > 3.0


@within(DEADLINE_S)
async def test_a_move_whose_driver_was_killed_is_listed_and_resumed(site: Site) -> None:
    async with moving_stage(site) as stage:
        began = site.folder / "began"
        gate = site.folder / "gate"
        copy = hook(
            f"open('{began}', 'w').write('x')",
            f"[time.sleep(0.01) for _ in range(6000) if not os.path.exists('{gate}')]",
        )
        driving = asyncio.create_task(move(stage, "1", copy, "--operation", "op-7"))
        while not began.exists():  # noqa: ASYNC110 -- another process makes it
            await asyncio.sleep(0.01)
        status, listed = await stage.homecell("moves", "list")
        assert "op-7" in listed
        assert "copying" in listed
        client = stage.bearer("1")
        assert (await client.ask("GET", "1")).body == "eu-1"
        refused = await client.ask("POST", "1")
        assert (refused.status, refused.fields["retry-after"]) == (503, "2")
        status, said = await stage.homecell("moves", "resume", "op-7")
        assert status == 3
        assert "is carried out by" in said
        status, said = await stage.homecell("moves", "abort", "op-7", "--reason", "not today")
        assert status == 0, said
        assert "user:1 stays in eu-1: not today" in said
        assert (await client.ask("POST", "1")).body == "eu-1"
        client.close()
        gate.touch()
        status, said = await driving
        # A driver that is slow to notice hears how it ended.
        assert (status == 3 and "is carried out by" in said) or (status == 1 and "not today" in said), said
        status, said = await stage.homecell("users", "history", "user:1", "--json")
        assert said.count('"operation": "op-7"') == 2
