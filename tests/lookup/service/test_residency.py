"""Whom the service writes where: never against the law, never into a cell that nobody knows."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

import pytest

from lookup.assignment import NO_EPOCH
from lookup.client import LookupClient
from lookup.flags import Flag
from lookup.key_mark import insist_on_spelling
from lookup.keys import KeySpelling
from lookup.stores.remote import RemoteStore
from tests.lookup.asynchronous import asynchronous
from tests.lookup.fakes import NOW_S, home
from tests.lookup.service.site import WRITE_TOKEN, served
from tests.lookup.service.test_cells import PLAN
from tests.lookup.service.test_service import slug

AGAINST_THE_LAW: Final = [
    ("us-1", "eu", "us-1 is under the law of us, where users of eu may not live; choose a cell of eu: "),
    ("typo-cell", "eu", "there is no cell `typo-cell`; name a cell of the cells file"),
    ("eu-1", "mars", "there is no jurisdiction `mars`; the config's `residency` knows eu, us"),
]


def written(cell: str, jurisdiction: str, key: str = "user:1") -> dict[str, object]:
    """A record as programs write it."""
    return {
        "key": key,
        "cell": cell,
        "jurisdiction": jurisdiction,
        "epoch": 1,
        "state": "placed",
        "moved_to": "",
        "updated_at_s": NOW_S,
    }


@pytest.mark.parametrize(("cell", "jurisdiction", "told"), AGAINST_THE_LAW)
def test_nobody_is_written_against_the_law_by_any_path(
    tmp_path: Path, cell: str, jurisdiction: str, told: str
) -> None:
    @asynchronous
    async def scenario() -> None:
        async with served(tmp_path, PLAN) as (store, service):
            record = written(cell, jurisdiction)
            homes = [written("eu-1", "eu", "user:2"), record]
            for method, path, form in (
                ("POST", "/v1/keys/user:1:place", {"cell": cell, "jurisdiction": jurisdiction}),
                ("PUT", "/v1/keys/user:1", {"home": record, "expected_epoch": None}),
                ("POST", "/v1/homes:load", {"homes": homes}),
            ):
                status, problem = await service.ask(method, path, form)
                assert (status, slug(problem)) == (409, "home-not-permitted")
                assert str(problem["detail"]).startswith(f"user:1: {told}")
            assert await store.read(["user:1", "user:2"]) == {}

    scenario()


@asynchronous
async def test_whom_the_law_permits_is_written_by_every_path(tmp_path: Path) -> None:
    async with served(tmp_path, PLAN) as (store, service):
        place = {"cell": "eu-1", "jurisdiction": "us"}
        assert (await service.ask("POST", "/v1/keys/user:1:place", place))[0] == 200
        put = {"home": written("us-1", "us", "user:2"), "expected_epoch": None}
        assert (await service.ask("PUT", "/v1/keys/user:2", put))[0] == 200
        load = {"homes": [written("eu-2", "eu", "user:3")]}
        assert (await service.ask("POST", "/v1/homes:load", load))[0] == 200
        found = await store.read(["user:1", "user:2", "user:3"])
        assert {key: record.cell for key, record in found.items()} == {
            "user:1": "eu-1",
            "user:2": "us-1",
            "user:3": "eu-2",
        }


@asynchronous
async def test_nobody_new_is_placed_in_a_cell_that_is_flagged_down(tmp_path: Path) -> None:
    async with served(tmp_path, PLAN) as (store, service):
        form = {"cell": "eu-1", "jurisdiction": "eu"}
        _, placed = await service.ask("POST", "/v1/keys/user:1:place", form)
        await store.set_flag("eu-1", Flag.DOWN, reason="disk full", author="ann", now_s=NOW_S)
        status, problem = await service.ask("POST", "/v1/keys/user:2:place", form)
        assert (status, slug(problem)) == (409, "no-room")
        assert problem["detail"] == (
            "user:2: eu-1 is flagged down: disk full; choose another cell, or put it back: "
            "homecell cells flag eu-1 serving"
        )
        assert await store.read(["user:2"]) == {}
        assert await service.ask("POST", "/v1/keys/user:1:place", form) == (200, placed)
        over_s = time.time() - 1.0
        await store.set_flag("eu-1", Flag.DOWN, reason="", author="ann", now_s=NOW_S, expires_at_s=over_s)
        assert (await service.ask("POST", "/v1/keys/user:2:place", form))[0] == 200


@asynchronous
async def test_an_edge_marks_the_spelling_of_keys_though_the_mark_is_in_no_cell(tmp_path: Path) -> None:
    spelling = KeySpelling(b"0123456789abcdef")
    async with served(tmp_path, PLAN, spelling) as (_, service):
        edge = RemoteStore(LookupClient(service.url, WRITE_TOKEN))
        await insist_on_spelling(edge, spelling, NOW_S)
        with pytest.raises(ValueError, match="there is no cell `cell-a`"):
            await edge.compare_and_set(home(spelling.stored("user:1")), NO_EPOCH)
        await edge.close()
