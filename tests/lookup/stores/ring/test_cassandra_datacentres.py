"""A real ring, two copies in datacentre `eu` and one in `us`: which decides what, and what then holds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import TypeVar

import pytest

from bench.servers.cassandra import CassandraRing
from bench.servers.cassandra_config import COMMITLOG_SYNC_S
from lookup.aliases import name_home
from lookup.assignment import NO_EPOCH, Assignment
from lookup.flags import Flag
from lookup.ports import EpochConflictError, StoreUnavailableError, StoreUnusableError
from lookup.stores.cassandra_schema import init
from lookup.stores.cassandra_settings import CassandraSettings, Owners
from lookup.stores.cassandra_truth import CassandraTruth
from tests.lookup.fakes import NOW_S, home
from tests.lookup.stores.cassandra_stage import settings_of
from tests.lookup.stores.ring.replication import COPIES, alter, replicate

pytestmark = pytest.mark.slow

T = TypeVar("T")

OWNERS = Owners("eu", {"eu": "eu", "us": "us"})
PATIENT_S = 10.0


def near(ring: CassandraRing, datacentre: str, owners: Owners | None) -> CassandraSettings:
    """As an edge there is configured; its clocks differ by half a second at most, to be quick.

    It takes long to make a keyspace in a ring: the tests share two.
    """
    return replace(
        settings_of(ring, "together" if owners is None else "owned"),
        datacentre=datacentre,
        owners=owners,
        request_timeout_s=PATIENT_S,
        clock_skew_s=0.5,
    )


async def patiently(attempt: Callable[[], Awaitable[T]]) -> T:
    """On a busy machine nodes think now and then that another one is down; the test's deadline ends this."""
    while True:
        try:
            return await attempt()
        except StoreUnusableError:
            raise
        except StoreUnavailableError:
            await asyncio.sleep(0.2)


async def opened(settings: CassandraSettings) -> CassandraTruth:
    return await patiently(lambda: CassandraTruth.open(settings, None))


@asynccontextmanager
async def both(
    ring: CassandraRing, owners: Owners | None
) -> AsyncIterator[tuple[CassandraTruth, CassandraTruth]]:
    """Stores of an edge in eu and of one in us."""
    await patiently(lambda: init(near(ring, "eu", owners), COPIES))
    eu = await opened(near(ring, "eu", owners))
    us = await opened(near(ring, "us", owners))
    try:
        yield eu, us
    finally:
        await eu.close()
        await us.close()


def in_us(key: str, cell: str, epoch: int) -> Assignment:
    return replace(home(key, cell, epoch), jurisdiction="us")


async def decider(store: CassandraTruth, key: str) -> str | None:
    """Of the key's last change."""
    row = await store._homes.read_surely(key)
    assert row is not None
    return row.decided_by


def run(scenario: object, timeout_s: float = 90.0) -> None:
    assert asyncio.iscoroutine(scenario)
    asyncio.run(asyncio.wait_for(scenario, timeout_s))


def test_each_record_is_decided_where_its_jurisdiction_is_owned(ring: CassandraRing) -> None:
    async def scenario() -> None:
        async with both(ring, OWNERS) as (eu, us):
            await us.compare_and_set(home("user:1", "cell-a", 1), NO_EPOCH)
            await us.compare_and_set(in_us("user:2", "cell-a", 1), NO_EPOCH)
            assert [await decider(eu, key) for key in ("user:1", "user:2")] == ["eu", "eu"]
            await us.compare_and_set(home("user:1", "cell-b", 2), 1)
            await eu.compare_and_set(in_us("user:2", "cell-b", 2), 1)
            assert [await decider(eu, key) for key in ("user:1", "user:2")] == ["eu", "us"]
            await us.set_flag("cell-a", Flag.DOWN, reason="", author="ann", now_s=NOW_S)
            found = {"user:1": home("user:1", "cell-b", 2), "user:2": in_us("user:2", "cell-b", 2)}
            for store in (eu, us):
                assert await store.confirm(["user:1", "user:2", "user:3"]) == found

    run(scenario())


@pytest.mark.parametrize("owners", [OWNERS, None], ids=["owned", "together"])
def test_writers_in_both_datacentres_agree_also_while_a_record_is_handed_over(
    ring: CassandraRing, owners: Owners | None
) -> None:
    async def attempt(store: CassandraTruth, record: Assignment) -> bool:
        for _ in range(20):
            try:
                await store.compare_and_set(record, record.epoch - 1)
            except EpochConflictError as conflict:
                return conflict.current == record
            except StoreUnavailableError:
                await asyncio.sleep(0.1)
            else:
                return True
        raise AssertionError("never decided")

    async def scenario() -> None:
        async with both(ring, owners) as (eu, us):
            await eu.load([home("user:11", "cell-0", 1)])
            for epoch in range(2, 8):
                make = in_us if epoch % 4 in (0, 1) else home
                ours, theirs = make("user:11", f"eu-{epoch}", epoch), make("user:11", f"us-{epoch}", epoch)
                won = await asyncio.gather(attempt(eu, ours), attempt(us, theirs))
                assert sorted(won) == [False, True], f"epoch {epoch}"
                decided = ours if won[0] else theirs
                for store in (eu, us):
                    assert await patiently(partial(store.confirm, ["user:11"])) == {"user:11": decided}

    run(scenario())


def test_without_one_datacentre_the_other_goes_on_with_what_it_owns_and_nobody_guesses_the_rest(
    ring: CassandraRing,
) -> None:
    ours, theirs = home("user:21", "cell-a", 1), in_us("user:22", "cell-a", 1)

    async def scenario() -> None:
        async with both(ring, OWNERS) as (eu, us):
            await eu.load([ours, theirs, home("user:23")])
            await name_home(eu, "email:a@x", "user:21", NOW_S)
            await us.close()
            await asyncio.sleep(
                2 * COMMITLOG_SYNC_S
            )  # until then the only copy in us is in its node's memory
            await asyncio.to_thread(ring.nodes[-1].kill)
            await eu.compare_and_set(home("user:21", "cell-b", 2), 1)
            await name_home(eu, "email:a@x", "user:23", NOW_S + 1)
            assert await eu.confirm(["user:21"]) == {"user:21": home("user:21", "cell-b", 2)}
            assert await eu.read(["user:21", "user:22"]) == {
                "user:21": home("user:21", "cell-b", 2),
                "user:22": theirs,
            }
            with pytest.raises(StoreUnavailableError):
                await eu.confirm(["user:22"])
            with pytest.raises(StoreUnavailableError):
                await eu.compare_and_set(in_us("user:22", "cell-b", 2), 1)
            await asyncio.to_thread(ring.nodes[-1].start)
            await asyncio.to_thread(ring.nodes[-1].wait_ready)
            back = await opened(near(ring, "us", OWNERS))
            assert await back.read(["user:21"]) == {"user:21": ours}, "nothing has told it yet"
            assert await back.confirm(["user:21"]) == {"user:21": home("user:21", "cell-b", 2)}
            assert (await back.read(["email:a@x"]))["email:a@x"].key == "user:21"
            assert (await back.confirm(["email:a@x"]))["email:a@x"].key == "user:23"
            with pytest.raises(EpochConflictError):
                await back.compare_and_set(home("user:21", "cell-c", 2), 1)
            await back.close()

    run(scenario())


def test_a_config_by_which_two_would_decide_is_refused(ring: CassandraRing) -> None:
    async def scenario() -> None:
        async with both(ring, OWNERS):
            pass
        settings = near(ring, "eu", OWNERS)
        for other in (None, Owners("us", {"eu": "eu"}), Owners("eu", {})):
            with pytest.raises(
                StoreUnusableError, match="eu decides writes, us those of us; here the config"
            ):
                await opened(replace(settings, owners=other))
        same = Owners("eu", {"us": "us", "ch": "eu"})
        await (await opened(replace(settings, owners=same))).close()
        with pytest.raises(StoreUnusableError, match="no replicas in asia, only in eu, us"):
            await opened(replace(settings, owners=Owners("eu", {"jp": "asia"})))

    run(scenario())


def test_a_keyspace_that_is_not_where_records_are_decided_is_refused(ring: CassandraRing) -> None:
    async def scenario() -> None:
        for owners in (OWNERS, None):
            async with both(ring, owners):
                pass
        owned, together = near(ring, "eu", OWNERS), near(ring, "eu", None)
        await replicate(owned, {"eu": 2})
        with pytest.raises(StoreUnusableError, match="no replicas in us, only in eu"):
            await opened(owned)
        await alter(together, "SimpleStrategy", {"replication_factor": 3})
        with pytest.raises(StoreUnusableError, match="SimpleStrategy, which knows no datacentres"):
            await opened(together)
        for settings in (owned, together):
            await replicate(settings, COPIES)

    run(scenario())
