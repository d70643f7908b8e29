"""Users placed by the lookup service where there is room, and what it tells of how full cells are."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest
from prometheus_client.parser import text_string_to_metric_families

from lookup.client import LookupClient
from lookup.flags import Flag
from lookup.placement import CellRoom, ShareLimits
from lookup.placer import PlacementPlan
from tests.lookup.asynchronous import asynchronous
from tests.lookup.fakes import NOW_S, home
from tests.lookup.service.site import WRITE_TOKEN, served

PLAN: Final = PlacementPlan(
    (
        CellRoom("eu-1", "eu", capacity=2),
        CellRoom("eu-2", "eu", tenants=frozenset({"acme"})),
        CellRoom("us-1", "us"),
    ),
    {"eu": ("eu",), "us": ("us", "eu")},
    ShareLimits(),
)


@asynchronous
async def test_a_user_is_placed_where_there_is_room(tmp_path: Path) -> None:
    async with served(tmp_path, PLAN) as (store, service):
        status, placed = await service.ask("POST", "/v1/keys/user:1:place", {"jurisdiction": "eu"})
        assert (status, placed["cell"], placed["jurisdiction"]) == (200, "eu-1", "eu")
        again = await service.ask("POST", "/v1/keys/user:1:place", {"jurisdiction": "us"})
        assert again == (200, placed)
        own = {"jurisdiction": "eu", "tenant": "acme"}
        assert (await service.ask("POST", "/v1/keys/user:2:place", own))[1]["cell"] == "eu-2"
        await store.set_flag("us-1", Flag.DOWN, reason="r", author="a", now_s=NOW_S)
        assert (await service.ask("POST", "/v1/keys/user:3:place", {"jurisdiction": "us"}))[1][
            "cell"
        ] == "eu-1"


@asynchronous
async def test_where_no_cell_has_room_nobody_is_placed_and_the_reasons_are_told(tmp_path: Path) -> None:
    async with served(tmp_path, PLAN) as (store, service):
        await store.load([home("user:1", "eu-1"), home("user:2", "eu-1")])
        status, problem = await service.ask("POST", "/v1/keys/user:3:place", {"jurisdiction": "eu"})
        assert (status, problem["detail"]) == (409, "eu-1 is full (2 of 2 users)")
        async with LookupClient(service.url, WRITE_TOKEN) as client:
            assert await client.place_anywhere("user:3", "eu") is None
            placed = await client.place_anywhere("user:3", "eu", tenant="acme")
        assert placed is not None
        assert placed.cell == "eu-2"


@pytest.mark.parametrize(
    "form",
    [{}, {"jurisdiction": "mars"}, {"jurisdiction": "eu", "tenant": 1}, {"jurisdiction": "eu", "x": ""}],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, form: object) -> None:
    @asynchronous
    async def scenario() -> None:
        async with served(tmp_path, PLAN) as (store, service):
            assert (await service.ask("POST", "/v1/keys/user:3:place", form))[0] == 400
            assert await store.read(["user:3"]) == {}

    scenario()


@pytest.mark.parametrize(
    ("form", "told"),
    [
        ({"jurisdicton": "eu"}, "a placement has no `jurisdicton`, did you mean `jurisdiction`?"),
        ({"jurisdiction": "eu", "cel": "eu-1"}, "a placement has no `cel`, did you mean `cell`?"),
        (
            {"cell": "eu-1", "x": ""},
            "a placement has no `x`, but `jurisdiction`, `cell`, `tenant`; needs `jurisdiction`",
        ),
        ({}, "a placement needs `jurisdiction`"),
        ({"cell": "eu-1"}, "a placement needs `jurisdiction`"),
        ({"jurisdiction": "eu", "cell": 7}, "a placement has a `cell` that is no text"),
        (["eu"], "the body is no object; a placement has `jurisdiction`, and maybe `cell`, `tenant`"),
    ],
)
def test_what_is_wrong_with_the_body_of_a_placement_is_told(tmp_path: Path, form: object, told: str) -> None:
    @asynchronous
    async def scenario() -> None:
        async with served(tmp_path, PLAN) as (_, service):
            status, problem = await service.ask("POST", "/v1/keys/user:3:place", form)
            assert (status, problem["detail"]) == (400, told)

    scenario()


@asynchronous
async def test_tells_how_full_the_cells_are(tmp_path: Path) -> None:
    async with served(tmp_path, PLAN) as (store, service):
        await store.load(
            [home("user:1", "eu-1"), home("user:2", "eu-1"), home("user:3", "us-1"), home("user:4", "x")]
        )
        _, told = await service.ask("GET", "/v1/cells")
        assert told["homes"] == {"eu-1": 2, "us-1": 1, "x": 1}
        assert isinstance(told["cells"], list)
        assert told["cells"][0] == {
            "name": "eu-1",
            "jurisdiction": "eu",
            "users": 2,
            "share": 0.5,
            "capacity": 2,
            "warning": "has 2 users, its capacity is 2",
        }
        figures = {
            (sample.name, sample.labels.get("cell", "")): sample.value
            for family in text_string_to_metric_families(await service.text("/metrics"))
            for sample in family.samples
        }
        assert figures["homecell_cell_users", "eu-1"] == 2
        assert figures["homecell_cell_users", "eu-2"] == 0
        assert figures["homecell_cell_share", "x"] == 0.25
        assert figures["homecell_cell_capacity", "eu-1"] == 2
        assert figures["homecell_cell_count_age_seconds", ""] < 60
