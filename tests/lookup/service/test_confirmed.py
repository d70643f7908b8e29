"""The service's answers of what is surely decided: past every cache, and past replicas that are behind."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from lookup.announcement import Announcement
from lookup.assignment import Assignment
from lookup.client import LookupClient
from lookup.service.run import running
from lookup.stores.remote import RemoteStore
from lookup.stores.sqlite import SqliteStore
from tests.lookup.asynchronous import asynchronous
from tests.lookup.fakes import home
from tests.lookup.service.site import READ_TOKEN, SETTINGS, serving, tokens


class BehindStore(SqliteStore):
    """Its nearest replica has not heard of the last change."""

    async def read(self, keys: Sequence[str]) -> Mapping[str, Assignment]:
        found = await super().read(keys)
        return {key: home(key, "cell-a", record.epoch - 1) for key, record in found.items()}

    async def confirm(self, keys: Sequence[str]) -> Mapping[str, Assignment]:
        return await super().read(keys)


@asynchronous
async def test_a_confirmed_answer_is_the_truths_and_any_other_may_be_behind(tmp_path: Path) -> None:
    store = await BehindStore.open(tmp_path / "home.sqlite", create=True)
    await store.load([home("user:1", "cell-b", 2)])
    async with serving(store, tmp_path) as service:
        for query, epoch in (("", 1), ("?fresh=true", 1), ("?confirmed=true", 2), ("", 1)):
            _, found = await service.ask("GET", f"/v1/keys/user:1{query}", token=READ_TOKEN)
            assert found["epoch"] == epoch, query
        asked = {"keys": ["user:1", "user:2"], "confirmed": True, "fresh": True}
        _, batch = await service.ask("POST", "/v1/keys:batch", asked, token=READ_TOKEN)
        assert isinstance(batch["homes"], list)
        assert [found["epoch"] for found in batch["homes"]] == [2]
        assert (batch["unknown"], batch["unavailable"]) == (["user:2"], [])
    await store.close()


@asynchronous
async def test_a_remote_store_confirms_by_the_services_own_confirmation(tmp_path: Path) -> None:
    store = await BehindStore.open(tmp_path / "home.sqlite", create=True)
    await store.load([home("user:1", "cell-b", 2)])
    async with serving(store, tmp_path) as service:
        remote = RemoteStore(LookupClient(service.url, READ_TOKEN))
        assert await remote.read(["user:1"]) == {"user:1": home("user:1", "cell-a", 1)}
        assert await remote.confirm(["user:1"]) == {"user:1": home("user:1", "cell-b", 2)}
        await remote.close()
    await store.close()


@asynchronous
async def test_moves_are_told_the_longest_that_a_confirmed_write_may_take_here_or_at_the_edge_that_asks(
    tmp_path: Path,
) -> None:
    store = await SqliteStore.open(tmp_path / "home.sqlite", create=True)
    await store.load([home("user:1")])
    says = Announcement("lookup/confirms", store, 33.0, time.time, time.perf_counter)
    async with running(store, tokens(tmp_path), SETTINGS, "127.0.0.1", 0, announcement=says) as port:
        for write_takes_s, announced_s in ((0.0, 33.0), (10.0, 33.0), (80.0, 80.0), (10.0, 80.0)):
            remote = RemoteStore(LookupClient(f"http://127.0.0.1:{port}", READ_TOKEN), write_takes_s)
            assert "user:1" in await remote.confirm(["user:1"])
            assert [lease.linger_s for lease in await store.leases()] == [announced_s]
            await remote.close()
    await store.close()
