"""What every store that keeps aliases must do. Run against the real thing."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, aclosing
from typing import Protocol

import pytest

from lookup.aliases import FREED, NAMES, AliasBook, name_home
from lookup.assignment import NO_EPOCH, Alias
from lookup.ports import ChangeFeed, EpochConflictError, Store
from tests.lookup.asynchronous import asynchronous
from tests.lookup.fakes import NOW_S, home
from tests.lookup.stores.contract import next_change


class AliasedStore(Store, ChangeFeed, AliasBook, Protocol):
    """A store with its feed and its aliases."""


OpenAliasedStore = Callable[[], AbstractAsyncContextManager[AliasedStore]]


class AliasContract:
    """Each test begins with an empty store; each call of fixture `open_store` opens that one store."""

    @asynchronous
    async def test_an_alias_is_answered_with_the_record_of_the_home_that_it_names(
        self, open_store: OpenAliasedStore
    ) -> None:
        async with open_store() as store:
            await store.load([home("user:1", "cell-a"), home("user:2", "cell-b")])
            mail = await name_home(store, "email:a@x", "user:1", NOW_S)
            found = await store.read(["email:a@x", "user:2", "email:b@x"])
            assert found.keys() == {"email:a@x", "user:2"}
            assert (found["email:a@x"].key, found["email:a@x"].cell) == ("user:1", "cell-a")
            assert mail in found["email:a@x"].aliases

    @asynchronous
    async def test_a_surely_current_reading_follows_aliases_as_well(
        self, open_store: OpenAliasedStore
    ) -> None:
        async with open_store() as store:
            await store.load([home("user:1", "cell-a")])
            await name_home(store, "email:a@x", "user:1", NOW_S)
            await store.compare_and_set(home("user:1", "cell-b", 2), 1)
            found = await store.confirm(["email:a@x", "user:1"])
            assert {key: (record.key, record.cell) for key, record in found.items()} == {
                "email:a@x": ("user:1", "cell-b"),
                "user:1": ("user:1", "cell-b"),
            }

    @asynchronous
    async def test_an_alias_is_written_only_upon_the_expected_epoch(
        self, open_store: OpenAliasedStore
    ) -> None:
        async with open_store() as store:
            await store.load([home("user:1"), home("user:2")])
            first = Alias("email:a@x", "user:1", 1, NOW_S)
            await store.set_alias(first, NO_EPOCH)
            for expected in (NO_EPOCH, 2):
                with pytest.raises(EpochConflictError):
                    await store.set_alias(Alias("email:a@x", "user:2", 3, NOW_S), expected)
            assert await store.alias("email:a@x") == first
            assert await store.alias("email:b@x") is None
            with pytest.raises(ValueError, match="epoch 1"):
                await store.set_alias(Alias("email:a@x", "user:2", 1, NOW_S), 1)

    @asynchronous
    async def test_changes_of_aliases_are_told_by_feed_and_history(
        self, open_store: OpenAliasedStore
    ) -> None:
        async with open_store() as store:
            await store.load([home("user:1"), home("user:2")])
            async with aclosing(store.follow()) as changes:
                start = await anext(changes)
                written = [
                    await name_home(store, "email:a@x", named, NOW_S + number)
                    for number, named in enumerate(("user:1", "user:2", ""))
                ]
                told = [await next_change(changes) for _ in written]
            assert [change.alias for change in told] == written
            assert [change.sequence - start.sequence for change in told] == [1, 2, 3]
            history = await store.history(0.0)
            assert [(m.key, m.epoch, m.left_cell) for m in history.moves] == [
                ("email:a@x", 2, NAMES),
                ("email:a@x", 3, FREED),
            ]

    @asynchronous
    async def test_aliases_count_in_no_cell(self, open_store: OpenAliasedStore) -> None:
        async with open_store() as store:
            await store.load([home("user:1")])
            await name_home(store, "email:a@x", "user:1", NOW_S)
            assert await store.count_by_cell() == {"cell-a": 1}
