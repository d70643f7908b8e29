"""What a program sees that asks the lookup service, over real sockets."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final
from urllib.parse import unquote

import pytest
from prometheus_client.parser import text_string_to_metric_families

from lookup.assignment import NO_EPOCH, State
from lookup.client import LookupClient
from lookup.flags import Flag
from lookup.ports import Change, StoreUnavailableError
from lookup.service.forms import MAX_BATCH_KEYS
from lookup.service.stream import encode_event
from tests.lookup.asynchronous import asynchronous
from tests.lookup.fakes import NOW_S, home
from tests.lookup.service.site import READ_TOKEN, WRITE_TOKEN, Asker, served
from tests.lookup.stores.contract import next_change
from tests.proxy.workers.stage import until


def slug(form: dict[str, object]) -> str:
    return str(form["type"]).rpartition("/")[2]


@asynchronous
async def test_a_home_is_told_by_the_tier_that_knows_it(tmp_path: Path) -> None:
    async with served(tmp_path) as (store, service):
        await store.load([home("user:1", "cell-b", 3)])
        status, found = await service.ask("GET", "/v1/keys/user:1", token=READ_TOKEN)
        assert status == 200
        assert found == {
            "key": "user:1",
            "cell": "cell-b",
            "jurisdiction": "eu",
            "epoch": 3,
            "state": "placed",
            "tier": "store",
        }
        assert (await service.ask("GET", "/v1/keys/user:1"))[1]["tier"] == "memory"
        _, record = await service.ask("GET", "/v1/keys/user:1?fresh=true")
        assert record["updated_at_s"] == NOW_S


@pytest.mark.parametrize(
    "key", ["email:ann@x.example", "user:a%2Fb", "user:%C3%B6", "user:100%25", "user:a:place"]
)
def test_keys_of_every_kind_can_be_asked_for(tmp_path: Path, key: str) -> None:
    @asynchronous
    async def scenario() -> None:
        async with served(tmp_path) as (store, service):
            await store.load([home(unquote(key))])
            status, found = await service.ask("GET", f"/v1/keys/{key}")
            assert (status, found.get("key")) == (200, unquote(key))

    scenario()


@asynchronous
async def test_what_it_tells_ends_its_line(tmp_path: Path) -> None:
    async with served(tmp_path) as (store, service):
        await store.load([home("user:1")])
        for path in ("/v1/keys/user:1", "/v1/keys/user:2", "/none"):
            assert (await service.text(path)).endswith("}\n")


@asynchronous
async def test_a_batch_tells_homes_and_unknown_keys_each_key_once(tmp_path: Path) -> None:
    async with served(tmp_path) as (store, service):
        await store.load(home(f"user:{number}", f"cell-{number}") for number in range(MAX_BATCH_KEYS - 1))
        keys = [f"user:{number}" for number in range(MAX_BATCH_KEYS)]
        homes: object = None
        for tier in ("store", "memory"):
            status, told = await service.ask("POST", "/v1/keys:batch", {"keys": keys})
            assert (status, told["unknown"], told["unavailable"]) == (200, [keys[-1]], [])
            homes = told["homes"]
            assert isinstance(homes, list)
            assert {found["key"]: found["cell"] for found in homes} == {
                f"user:{number}": f"cell-{number}" for number in range(MAX_BATCH_KEYS - 1)
            }
            assert {found["tier"] for found in homes} == {tier}
        assert isinstance(homes, list)
        _, twice = await service.ask("POST", "/v1/keys:batch", {"keys": ["user:1", "user:1"]})
        assert twice["homes"] == [found for found in homes if found["key"] == "user:1"]


@asynchronous
async def test_a_user_is_placed_once_and_keeps_that_home(tmp_path: Path) -> None:
    async with served(tmp_path) as (_, service):
        first = {"cell": "cell-a", "jurisdiction": "eu"}
        status, placed = await service.ask("POST", "/v1/keys/user:1:place", first)
        assert (status, placed["cell"], placed["epoch"]) == (200, "cell-a", 1)
        again = await service.ask("POST", "/v1/keys/user:1:place", {"cell": "cell-b", "jurisdiction": "us"})
        assert again == (200, placed)


@asynchronous
async def test_without_a_valid_token_nothing_is_told(tmp_path: Path) -> None:
    async with served(tmp_path) as (_, service):
        for path in ("/v1/keys/user:1", "/v1/changes", "/v1/flags", "/metrics"):
            for token in ("", "x" * 40, READ_TOKEN[:-1], READ_TOKEN + "r"):
                status, problem = await service.ask("GET", path, token=token)
                assert (status, slug(problem)) == (401, "no-credential")
                assert ("is no token of the service" in str(problem["detail"])) is bool(token)


@asynchronous
async def test_a_token_that_may_read_may_not_write(tmp_path: Path) -> None:
    async with served(tmp_path) as (store, service):
        flag = {"flag": "down", "reason": "r", "author": "ann"}
        for method, path, form in (
            ("POST", "/v1/keys/user:1:place", {"cell": "cell-a", "jurisdiction": "eu"}),
            ("PUT", "/v1/keys/user:1", {}),
            ("POST", "/v1/homes:load", {"homes": []}),
            ("PUT", "/v1/flags/cell-a", flag),
        ):
            status, problem = await service.ask(method, path, form, token=READ_TOKEN)
            assert (status, slug(problem)) == (403, "not-permitted")
            assert problem["detail"] == "the token may only read; this is for tokens that may write"
        assert await store.read(["user:1"]) == {}
        assert await store.flags() == {}


FLAGGING: Final = {"flag": "down", "reason": "power", "author": "ann"}
BAD_REQUESTS: Final[list[tuple[str, str, object, int, str]]] = [
    ("GET", "/v1/keys/nobody", None, 400, "invalid-key"),
    ("GET", "/v1/keys/user:1?fresh=yes", None, 400, "invalid-request"),
    ("GET", "/v1/keys/user:1?confirmed=1", None, 400, "invalid-request"),
    ("GET", "/v1/keys/user:1", None, 404, "unknown-home"),
    ("GET", "/v1/keys/user:1?confirmed=true", None, 404, "unknown-home"),
    ("GET", "/v1/keys/user:1?confirmed=true&write_takes_s=60", None, 404, "unknown-home"),
    ("GET", "/v1/keys/user:1?confirmed=true&write_takes_s=long", None, 400, "invalid-request"),
    ("GET", "/v1/nothing", None, 404, "not-found"),
    ("DELETE", "/v1/keys/user:1", None, 405, "method-not-allowed"),
    ("POST", "/v1/keys:batch", {"keys": ["user:1"] * 1001}, 400, "invalid-request"),
    ("POST", "/v1/keys:batch", {"keys": ["user:1", "?"]}, 400, "invalid-key"),
    ("POST", "/v1/keys:batch", {"keys": [7]}, 400, "invalid-request"),
    ("POST", "/v1/keys:batch", {"keys": "user:1"}, 400, "invalid-request"),
    ("POST", "/v1/keys:batch", {"keys": [], "fresh": 1}, 400, "invalid-request"),
    ("POST", "/v1/keys:batch", {"keys": [], "confirmed": None}, 400, "invalid-request"),
    ("POST", "/v1/keys:batch", {"keys": [], "write_takes_s": "60"}, 400, "invalid-request"),
    ("POST", "/v1/keys:batch", {"keys": [], "write_takes_s": 1e9}, 400, "invalid-request"),
    ("POST", "/v1/keys:batch", {"keys": [], "write_takes_s": True}, 400, "invalid-request"),
    ("POST", "/v1/keys:batch", {"keys": ["user:" + "x" * 200] * 7000}, 413, "body-too-large"),
    ("POST", "/v1/keys/user:1:place", {"cell": ""}, 400, "invalid-request"),
    ("POST", "/v1/keys/user:1:place", {"cell": "a\nb", "jurisdiction": "eu"}, 400, "invalid-request"),
    ("PUT", "/v1/keys/user:1", {"home": {}, "expected_epoch": None}, 400, "invalid-request"),
    ("PUT", "/v1/flags/cell-a", {"flag": "up", "reason": "", "author": "ann"}, 400, "invalid-request"),
    ("GET", "/v1/history?since_s=nan", None, 400, "invalid-request"),
    ("GET", "/v1/history", None, 400, "invalid-request"),
    ("POST", "/v1/keys:batch", float("nan"), 400, "invalid-request"),
    (
        "POST",
        "/v1/keys/user:1:place",
        {"cell": "a", "jurisdiction": "eu", "tenant": "t"},
        400,
        "invalid-request",
    ),
    ("PUT", "/v1/flags/a", {**FLAGGING, "expires_at_s": 1.0}, 400, "invalid-request"),
    ("PUT", "/v1/flags/a", {**FLAGGING, "expires_at_s": 1e3 * 2e9}, 400, "invalid-request"),
    ("PUT", "/v1/flags/a", {**FLAGGING, "expire_at_s": 2e9}, 400, "invalid-request"),
    ("PUT", "/v1/flags/a", {**FLAGGING, "reason": "\ud800"}, 400, "invalid-request"),
    ("PUT", "/v1/flags/a", {**FLAGGING, "\ud800": 1}, 400, "invalid-request"),
]


@pytest.mark.parametrize(("method", "path", "form", "status", "problem"), BAD_REQUESTS)
def test_what_cannot_be_answered_is_told_as_a_problem(
    tmp_path: Path, method: str, path: str, form: object, status: int, problem: str
) -> None:
    @asynchronous
    async def scenario() -> None:
        async with served(tmp_path) as (_, service):
            found, told = await service.ask(method, path, form)
            assert (found, slug(told)) == (status, problem)
            if problem in ("not-found", "method-not-allowed"):
                assert told["detail"] == "GET / lists what can be asked"

    scenario()


@asynchronous
async def test_a_conflict_tells_the_record_that_stands_in_the_way(tmp_path: Path) -> None:
    async with served(tmp_path) as (store, service):
        await store.compare_and_set(home("user:1", "cell-a", 4), NO_EPOCH)
        _, current = await service.ask("GET", "/v1/keys/user:1?fresh=true")
        form = {"home": {**current, "epoch": 3}, "expected_epoch": 2}
        status, problem = await service.ask("PUT", "/v1/keys/user:1", form)
        assert (status, slug(problem), problem["current"]) == (409, "epoch-conflict", current)


@asynchronous
async def test_when_the_store_is_gone_it_says_so_and_tells_what_it_may(tmp_path: Path) -> None:
    async with served(tmp_path) as (store, service):
        await store.load([home("user:1")])
        await service.ask("GET", "/v1/keys/user:1")
        await store.close()
        assert (await service.ask("GET", "/v1/keys/user:1"))[1]["tier"] == "memory"
        for path in ("/v1/keys/user:2", "/v1/keys/user:1?fresh=true", "/v1/changes", "/v1/cells"):
            status, problem = await service.ask("GET", path)
            assert (status, slug(problem)) == (503, "lookup-unavailable")


@asynchronous
async def test_a_client_follows_changes_as_they_happen(tmp_path: Path) -> None:
    async with served(tmp_path) as (store, service), LookupClient(service.url, READ_TOKEN) as client:
        changes = client.changes()
        start = await anext(changes)
        await store.compare_and_set(home("user:1"), NO_EPOCH)
        flagged = await store.set_flag("cell-a", Flag.DOWN, reason='a\n"b"', author="ann", now_s=NOW_S)
        told = [await next_change(changes) for _ in range(2)]
        assert told == [
            Change(start.generation, start.sequence + 1, assignment=home("user:1")),
            Change(start.generation, start.sequence + 2, flag=flagged),
        ]
        await changes.aclose()


def test_an_event_is_one_line_of_data_with_its_place_in_the_feed() -> None:
    text = encode_event(Change("g", 7, assignment=home("user:1", "c\nd"))).decode()
    assert text.startswith("event: change\nid: g/7\ndata: {")
    assert text.count("\n") == 4
    assert encode_event(Change("g", 7)).startswith(b"event: heartbeat\n")


@pytest.mark.slow
@asynchronous
async def test_a_follower_that_leaves_makes_room_for_another(tmp_path: Path) -> None:
    async with served(tmp_path) as (_, service), LookupClient(service.url, READ_TOKEN) as client:
        for _ in range(3):
            changes = client.changes()
            await anext(changes)
            assert await _metric(await service.text("/metrics"), "homecell_service_streams") == 1
            await changes.aclose()
            await until(lambda: _nobody_follows(service), "the service has noticed")


async def _nobody_follows(service: Asker) -> bool:
    return await _metric(await service.text("/metrics"), "homecell_service_streams") == 0


async def _metric(text: str, name: str) -> float:
    samples = [s for family in text_string_to_metric_families(text) for s in family.samples if s.name == name]
    return sum(sample.value for sample in samples)


@asynchronous
async def test_metrics_tell_requests_and_keys_by_tier(tmp_path: Path) -> None:
    async with served(tmp_path) as (store, service):
        await store.load([home("user:1")])
        await until(lambda: _is_ready(service), "the feed is heard: until then no answer is kept")
        for _ in range(3):
            await service.ask("POST", "/v1/keys:batch", {"keys": ["user:1", "user:2"]})
        await service.ask("GET", "/v1/nothing")
        text = await service.text("/metrics")
        assert 'homecell_service_keys_total{result="found",tier="memory"} 2.0' in text
        assert 'homecell_service_keys_total{result="unknown",tier="store"} 1.0' in text
        assert 'homecell_service_requests_total{code="200",operation="getKeys"} 3.0' in text
        assert 'homecell_service_requests_total{code="404",operation="none"} 1.0' in text
        assert 0 <= await _metric(text, "homecell_feed_age_seconds") < 10


@asynchronous
async def test_it_is_ready_once_it_hears_the_feed(tmp_path: Path) -> None:
    async with served(tmp_path) as (_, service):
        await until(lambda: _is_ready(service), "the feed is heard")
        assert await service.text("/-/live") == "live\n"


async def _is_ready(service: Asker) -> bool:
    return await service.text("/-/ready") == "ready\n"


@asynchronous
async def test_the_client_finds_places_and_tells_unknown_from_unavailable(tmp_path: Path) -> None:
    async with served(tmp_path) as (store, service), LookupClient(service.url, WRITE_TOKEN) as client:
        placed = await client.place("user:1", "cell-a", "eu")
        assert abs(placed.updated_at_s - time.time()) < 60
        found = await client.get("user:1")
        assert found is not None
        assert (found.cell, found.epoch, found.state) == ("cell-a", 1, State.PLACED)
        assert await client.get("user:2") is None
        with pytest.raises(ValueError, match="no kind of routing key"):
            await client.get("thing:1")
        await store.close()
        with pytest.raises(StoreUnavailableError, match="can't be told now"):
            await client.get("user:3")
