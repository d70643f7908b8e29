"""A real edge that gives new users their home: many ask at once, of every worker, and all agree."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from lookup.stores.sqlite import SqliteStore
from tests.lookup.asynchronous import asynchronous
from tests.proxy.config.site import Site, make_keys
from tests.proxy.moving_stage import MovingStage, moving_stage

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
