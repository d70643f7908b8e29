"""Who asks most is found over all workers: told by name to operators, and by rank alone in the metrics."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.lookup.asynchronous import within
from tests.proxy.config.site import Site, make_keys
from tests.proxy.moving_stage import MovingStage, moving_stage
from tests.proxy.observe.reading import Scrape
from tests.proxy.workers.stage import until

ASKED = {"1": 6000, "2": 2400, "3": 1200}
"""How often each user asks: of all requests 62.5 %, 25 %, 12.5 %."""


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "site", make_keys(tmp_path / "keys"))


async def ask(stage: MovingStage, user: str, times: int) -> None:
    client = stage.bearer(user)
    for _ in range(times):
        assert (await client.ask("GET", user)).status == 200
    client.close()


def scrape(stage: MovingStage) -> str:
    admin = stage.site.load().edge.admin
    with urlopen(f"http://127.0.0.1:{admin.port}/metrics") as reply:
        return str(reply.read().decode())


@pytest.mark.slow
@within(120.0)
async def test_a_hot_user_is_shown_whichever_workers_it_asks(site: Site) -> None:
    async with moving_stage(site, work_s=0.0) as stage:
        assert await stage.homecell("users", "heavy") == (0, "too few requests to tell\n")
        parts = [(user, times // 6) for user, times in ASKED.items() for _ in range(6)]
        await asyncio.gather(*(ask(stage, user, times) for user, times in parts))

        truth = [asked / sum(ASKED.values()) for asked in ASKED.values()]

        async def told() -> bool:
            metrics = Scrape(await asyncio.to_thread(scrape, stage))
            shares = [metrics.value("homecell_heavy_hitter_share", cell="eu-1", rank=rank) for rank in "123"]
            return None not in shares and shares == pytest.approx(truth, abs=0.12)

        await until(told, "both workers have told who asks most", within_s=20.0)
        assert "user:" not in await asyncio.to_thread(scrape, stage)
        status, said = await stage.homecell("users", "heavy", "--json")
        users = json.loads(said)
        assert (status, [user["key"] for user in users]) == (0, ["user:1", "user:2", "user:3"])
        assert [user["share"] for user in users] == pytest.approx(truth, abs=0.12)
        assert all(user["share"] <= user["share_at_most"] for user in users)
        status, said = await stage.homecell("users", "heavy", "--cell", "eu-2")
        assert (status, said) == (0, "too few requests to tell\n")
    status, said = await stage.homecell("users", "heavy")
    assert status == 3
    assert "gave no answer" in said
