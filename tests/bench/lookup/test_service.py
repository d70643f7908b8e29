"""The row of the lookup service, with little to ask for."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bench.lookup import service
from bench.lookup.stage import homes
from lookup.stores.sqlite import SqliteStore

pytestmark = pytest.mark.slow

USERS = 1_000


async def seed(path: Path) -> None:
    store = await SqliteStore.open(path, create=True)
    await store.load(homes(f"user:{number}" for number in range(USERS)))
    await store.close()


def test_the_service_finds_every_key_and_its_rate_is_told(tmp_path: Path) -> None:
    path = tmp_path / "service.sqlite"
    asyncio.run(seed(path))
    keys_per_cpu_s, keys_per_s, _ = asyncio.run(service.measure(path, USERS, batches=20))
    assert keys_per_cpu_s.value > 0
    assert keys_per_s.value > 0
