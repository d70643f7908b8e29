"""Which records the service takes from programs: such as a writer could have made."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

import pytest

from lookup.assignment import NO_EPOCH, Assignment, State
from lookup.flags import Flag
from tests.lookup.asynchronous import asynchronous
from tests.lookup.fakes import NOW_S, home
from tests.lookup.service.site import served
from tests.lookup.service.test_residency import written
from tests.lookup.service.test_service import slug

WRONG: Final[list[tuple[str, object, str]]] = [
    ("updated_at_s", NOW_S * 1000, "give Unix seconds, not milliseconds"),
    ("updated_at_s", 1e308, "give Unix seconds, not milliseconds"),
    ("updated_at_s", 10**400, "no time in Unix seconds"),
    ("updated_at_s", -1.0, "no time in Unix seconds"),
    ("updated_at_s", True, "no time in Unix seconds"),
    ("epoch", 0, "`epoch` is no whole number"),
    ("epoch", -5, "`epoch` is no whole number"),
    ("epoch", True, "`epoch` is no whole number"),
    ("epoch", 2**52 + 1, "`epoch` is no whole number from 1 to 2^52"),
    ("epoch", 2**53 - 1, "`epoch` is no whole number"),
    ("epoch", 2**63, "`epoch` is no whole number"),
    ("state", "moving", "only a move makes a record `moving`"),
    ("moved_to", "cell-b", "only a move makes a record `moving`"),
]


@pytest.mark.parametrize(("name", "value", "told"), WRONG)
def test_a_record_that_no_writer_has_made_is_refused(
    tmp_path: Path, name: str, value: object, told: str
) -> None:
    @asynchronous
    async def scenario() -> None:
        async with served(tmp_path) as (store, service):
            record = {**written("cell-a", "eu"), name: value}
            homes = [written("cell-a", "eu", "user:2"), record]
            for method, path, form in (
                ("PUT", "/v1/keys/user:1", {"home": record, "expected_epoch": None}),
                ("POST", "/v1/homes:load", {"homes": homes}),
            ):
                status, problem = await service.ask(method, path, form)
                assert (status, slug(problem)) == (400, "invalid-request")
                assert told in str(problem["detail"])
            assert await store.read(["user:1", "user:2"]) == {}

    scenario()


@pytest.mark.parametrize("expected", [True, 0, -1, 2**53, 2**63, 1.0, "1"])
def test_an_expected_epoch_that_no_record_has_is_refused(tmp_path: Path, expected: object) -> None:
    @asynchronous
    async def scenario() -> None:
        async with served(tmp_path) as (store, service):
            await store.load([home("user:1")])
            record = {**written("cell-a", "eu"), "epoch": 2}
            form = {"home": record, "expected_epoch": expected}
            status, problem = await service.ask("PUT", "/v1/keys/user:1", form)
            assert (status, "`expected_epoch`" in str(problem["detail"])) == (400, True)

    scenario()


@asynchronous
async def test_the_latest_epoch_and_a_clock_that_is_a_little_ahead_are_taken(tmp_path: Path) -> None:
    """And after them as many changes as anybody could make."""
    async with served(tmp_path) as (store, service):
        record = {**written("cell-a", "eu"), "epoch": 2**52, "updated_at_s": time.time() + 3}
        form = {"home": record, "expected_epoch": None}
        assert (await service.ask("PUT", "/v1/keys/user:1", form))[0] == 200
        assert (await store.read(["user:1"]))["user:1"].epoch == 2**52
        moved = Assignment("user:1", "cell-b", "eu", 2**52 + 2, updated_at_s=time.time())
        await store.compare_and_set(moved, 2**52)
        assert (await service.ask("GET", "/v1/keys/user:1?fresh=true"))[1]["epoch"] == 2**52 + 2


@asynchronous
async def test_no_record_is_written_over_while_its_user_is_moved(tmp_path: Path) -> None:
    """The cell that is left would take writes again while its bytes are copied."""
    async with served(tmp_path) as (store, service):
        moving = Assignment("user:1", "cell-a", "eu", 2, State.MOVING, "cell-b", NOW_S)
        await store.compare_and_set(moving, NO_EPOCH)
        form = {"home": {**written("cell-a", "eu"), "epoch": 3}, "expected_epoch": 2}
        status, problem = await service.ask("PUT", "/v1/keys/user:1", form)
        assert (status, slug(problem)) == (409, "home-moving")
        assert str(problem["detail"]).startswith("user:1 is being moved to cell-b; ")
        assert await store.read(["user:1"]) == {"user:1": moving}


@asynchronous
async def test_a_flag_is_told_with_what_it_comes_to_now(tmp_path: Path) -> None:
    async with served(tmp_path) as (store, service):
        for cell, expires_at_s in (
            ("cell-a", time.time() - 1),
            ("cell-b", time.time() + 60),
            ("cell-c", None),
        ):
            await store.set_flag(
                cell, Flag.DOWN, reason="r", author="a", now_s=NOW_S, expires_at_s=expires_at_s
            )
        status, told = await service.ask("GET", "/v1/flags")
        flags = told["flags"]
        assert (status, isinstance(flags, list)) == (200, True)
        assert isinstance(flags, list)
        assert {flag["cell"]: (flag["flag"], flag["in_force"]) for flag in flags} == {
            "cell-a": ("down", "serving"),
            "cell-b": ("down", "down"),
            "cell-c": ("down", "down"),
        }


@pytest.mark.parametrize(
    "wrong",
    [{"set_at_s": NOW_S * 1000}, {"set_at_s": True}, {"expires_at_s": 1e308}, {"expires_at_s": True}],
)
def test_a_flag_at_a_time_that_cannot_be_is_refused(tmp_path: Path, wrong: dict[str, object]) -> None:
    @asynchronous
    async def scenario() -> None:
        async with served(tmp_path) as (store, service):
            flag = {"flag": "down", "reason": "", "author": "ann", **wrong}
            assert (await service.ask("PUT", "/v1/flags/cell-a", flag))[0] == 400
            assert await store.flags() == {}

    scenario()
