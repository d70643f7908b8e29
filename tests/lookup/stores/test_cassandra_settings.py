"""Settings of a store that a real node feels: owners, and keys that are hashed only."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.servers.cassandra import DATACENTRE
from lookup.assignment import NO_EPOCH
from lookup.flags import Flag
from lookup.keys import keyed_hash
from lookup.stores.cassandra_settings import CassandraSettings, Owners
from tests.lookup.asynchronous import asynchronous
from tests.lookup.fakes import NOW_S, home
from tests.lookup.stores.cassandra_stage import (
    silent,
)

pytestmark = pytest.mark.slow


@asynchronous
async def test_writes_are_decided_by_the_owning_datacentre_where_there_is_one(
    settings: CassandraSettings,
) -> None:
    owned = replace(settings, owners=Owners(DATACENTRE, {"eu": DATACENTRE}))
    async with silent(owned) as store:
        await store.compare_and_set(home("user:1", "cell-a", 1), NO_EPOCH)
        await store.compare_and_set(home("user:1", "cell-b", 2), 1)
        assert await store.confirm(["user:1"]) == {"user:1": home("user:1", "cell-b", 2)}
        await store.set_flag("cell-a", Flag.DOWN, reason="", author="ann", now_s=NOW_S)


@asynchronous
async def test_only_hashed_keys_are_stored_where_that_is_configured(settings: CassandraSettings) -> None:
    async with silent(replace(settings, hashed_keys=True)) as store:
        hashed = keyed_hash("user:42", b"0123456789abcdef")
        await store.compare_and_set(home(hashed), NO_EPOCH)
        assert list(await store.read([hashed])) == [hashed]
        for refused in (
            store.read(["user:42"]),
            store.compare_and_set(home("user:42"), NO_EPOCH),
            store.load([home("user:42")]),
        ):
            with pytest.raises(ValueError, match="hashed keys only") as error:
                await refused
            assert "42" not in str(error.value)
