"""Keyspaces without tables, older ones and later ones: who may use them, and how they become present ones."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from uuid import uuid4

import pytest

from bench.servers.cassandra import DATACENTRE
from lookup.ports import StoreUnusableError
from lookup.stores.cassandra import CassandraStore
from lookup.stores.cassandra_schema import KNOWN_VERSION, STEPS, SchemaStatus, init, migrate, status
from lookup.stores.cassandra_session import CassandraSession
from lookup.stores.cassandra_settings import CassandraSettings
from lookup.stores.cassandra_truth import CassandraTruth
from tests.lookup.asynchronous import asynchronous
from tests.lookup.fakes import NOW_S, home
from tests.lookup.stores.cassandra_stage import silent

pytestmark = pytest.mark.slow


@asynchronous
async def test_a_keyspace_without_tables_names_the_mend(settings: CassandraSettings) -> None:
    other = replace(settings, keyspace="nothing_here")
    with pytest.raises(StoreUnusableError, match="homecell store init"):
        await CassandraStore.open(other, None)
    assert (await status(other)).found == 0


@asynchronous
async def test_two_processes_may_init_at_once(settings: CassandraSettings) -> None:
    other = replace(settings, keyspace="fresh")
    for found in await asyncio.gather(init(other, {DATACENTRE: 1}), init(other, {DATACENTRE: 1})):
        assert (found.found, found.known) == (KNOWN_VERSION, KNOWN_VERSION)
    assert await migrate(other) == await status(other)
    async with silent(other) as store:
        assert await store.read(["user:1"]) == {}


@asynchronous
async def test_a_schema_for_later_programs_is_refused_and_one_they_share_is_used(
    settings: CassandraSettings,
) -> None:
    other = replace(settings, keyspace="later")
    await init(other, {DATACENTRE: 1})
    session = await CassandraSession.connect(settings)
    step = "INSERT INTO later.schema_step (fleet, version, oldest_program, done) VALUES ('all', 9, {}, true)"
    await session.ask_plain(step.format(KNOWN_VERSION))
    async with silent(other):
        pass
    await session.ask_plain(step.format(9))
    with pytest.raises(StoreUnusableError, match="use a newer program"):
        await CassandraStore.open(other, None)
    unfinished = (
        f"UPDATE later.schema_step SET done = false WHERE fleet = 'all' AND version = {KNOWN_VERSION}"
    )
    await session.ask_plain(unfinished)
    await session.ask_plain("DELETE FROM later.schema_step WHERE fleet = 'all' AND version = 9")
    with pytest.raises(StoreUnusableError, match="homecell store"):
        await CassandraStore.open(other, None)
    await session.close()


@asynchronous
async def test_a_program_of_the_first_schema_goes_on_while_and_after_it_is_migrated(
    settings: CassandraSettings,
) -> None:
    session = await CassandraSession.connect(settings)
    older = replace(settings, keyspace="older")
    await session.ask_plain(
        f"CREATE KEYSPACE older WITH replication = {{'class': 'NetworkTopologyStrategy', '{DATACENTRE}': 1}}"
    )
    await session.ask_plain(
        "CREATE TABLE older.schema_step (fleet text, version int, oldest_program int, done boolean, "
        "claim uuid, PRIMARY KEY (fleet, version))"
    )
    for statement in STEPS[0].statements:
        await session.ask_plain(statement.format(keyspace="older"))
    await session.ask_plain(
        "INSERT INTO older.schema_step (fleet, version, oldest_program, done) VALUES ('all', 1, 1, true)"
    )
    with pytest.raises(StoreUnusableError, match="homecell store migrate"):
        await CassandraTruth.open(older, None)

    async def place_as_before(key: str) -> None:
        columns = "key, cell, jurisdiction, epoch, state, moved_to, updated_at_s, left_cell, operations"
        await session.ask_plain(
            f"INSERT INTO older.home ({columns}) VALUES ('{key}', 'cell-a', 'eu', 1, 0, '', {NOW_S!r}, '', "
            f"[{uuid4()}]) IF NOT EXISTS"
        )

    await place_as_before("user:1")
    await migrate(older)
    found = await status(older)
    SchemaStatus(found.found, 1, found.oldest_program).check("older")
    await place_as_before("user:2")
    truth = await CassandraTruth.open(older, None)
    await truth.compare_and_set(home("user:1", "cell-b", 2), 1)
    await truth.compare_and_set(home("user:2", "cell-b", 2), 1)
    assert {record.cell for record in (await truth.confirm(["user:1", "user:2"])).values()} == {"cell-b"}
    await session.ask_plain("UPDATE older.home SET operations = [] WHERE key = 'user:1' IF epoch = 2")
    await truth.compare_and_set(home("user:1", "cell-c", 3), 2)
    assert [old.cell for old in await truth.past("user:1")] == ["cell-a", "cell-b", "cell-c"]
    await truth.close()
    await session.close()
