"""Who asks most is found over all workers: told by name to operators, and by rank alone in the metrics."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from random import Random
from urllib.request import urlopen

import pytest

from tests.lookup.asynchronous import within
from tests.proxy.config.site import Site, make_keys
from tests.proxy.moving_stage import MovingStage, moving_stage
from tests.proxy.observe.reading import Scrape
from tests.proxy.workers.stage import until

ASKED = {"1": 4800, "2": 2880, "3": 1920}
"""How often each user asks: of all requests 50 %, 30 %, 20 %."""

SLACK = 0.03
"""The bounds hold 99 times of 100; with so much more, always."""

NOBODY = "nobody stands out, or too few requests to tell\n"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "site", make_keys(tmp_path / "keys"))


async def ask(stage: MovingStage, users: list[str]) -> None:
    """One request after the other, in this order."""
    clients = {user: stage.bearer(user) for user in ASKED}
    for user in users:
        assert (await clients[user].ask("GET", user)).status == 200
    for client in clients.values():
        client.close()


def scrape(stage: MovingStage) -> str:
    admin = stage.site.load().edge.admin
    with urlopen(f"http://127.0.0.1:{admin.port}/metrics") as reply:
        return str(reply.read().decode())


@pytest.mark.slow
@within(120.0)
async def test_a_hot_user_is_shown_whichever_workers_it_asks(site: Site) -> None:
    async with moving_stage(site, work_s=0.0) as stage:
        assert await stage.homecell("users", "heavy") == (0, NOBODY)
        users = [user for user, times in ASKED.items() for _ in range(times)]
        Random(4).shuffle(users)  # so that the shares are these at all times: what lies back weighs less
        await asyncio.gather(*(ask(stage, users[part::18]) for part in range(18)))

        truth = [asked / sum(ASKED.values()) for asked in ASKED.values()]

        async def told() -> bool:
            metrics = Scrape(await asyncio.to_thread(scrape, stage))
            shares = [metrics.value("homecell_heavy_hitter_share", cell="eu-1", rank=rank) for rank in "123"]
            return shares[0] is not None and shares == pytest.approx(truth, abs=0.17)

        await until(told, "both workers have told who asks most", within_s=20.0)
        assert "user:" not in await asyncio.to_thread(scrape, stage)
        status, said = await stage.homecell("users", "heavy", "--json")
        shown = json.loads(said)
        assert (status, sorted(user["key"] for user in shown)) == (0, ["user:1", "user:2", "user:3"])
        for user in shown:
            true_share = ASKED[user["key"].removeprefix("user:")] / sum(ASKED.values())
            assert user["share_at_least"] - SLACK <= true_share <= user["share_at_most"] + SLACK
            assert user["share_at_most"] - user["share_at_least"] < 0.25
            assert 10 <= user["samples"] < user["samples_of_cell"]
        status, said = await stage.homecell("users", "heavy", "--cell", "eu-2")
        assert (status, said) == (0, NOBODY)
        status, said = await stage.homecell("users", "heavy", "--cell", "eu-11")
        assert status == 2
        assert "known: eu-1, eu-2" in said
    status, said = await stage.homecell("users", "heavy")
    assert status == 3
    assert "gave no answer" in said
