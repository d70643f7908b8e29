"""A worker that replaces another runs what the edge was started with, whatever lies on the disk by now."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from pathlib import Path

import pytest
import yaml

from lookup.assignment import Assignment
from lookup.keys import user_key
from lookup.stores.sqlite import SqliteStore
from proxy.rooms.mint import DEMO_KEYS, KEY_SET, load_signing_key, mint_token
from tests.proxy.workers.stage import CELL, USER, Stage, running, started, until

pytestmark = pytest.mark.slow

REQUESTS = 40

NEW = "eu-west-1-cell-02"


def test_a_half_written_key_set_stops_no_replacement_and_the_keys_of_before_hold(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path, first_delay_s=60) as stage:
            await started(stage)
            stage.token = _token_of_the_key_set(tmp_path)
            assert (await stage.ask()).status == 200
            key_set = tmp_path / "keys" / KEY_SET
            good = key_set.read_bytes()
            await until(lambda: _keys_are(stage, "good", 4, 0), "the keys are told")
            key_set.write_bytes(good[:100])
            half_written_s = time.monotonic()
            await _replace_both(stage)
            await until(lambda: _keys_are(stage, "file unusable", 4, 0), "the bad file is told")
            asked_s = time.monotonic()
            metrics = await stage.metrics()
            assert metrics.value("homecell_token_keys") == 4
            assert metrics.value("homecell_token_keys_unusable") == 1
            age_s = metrics.value("homecell_token_keys_age_seconds")
            assert age_s is not None
            assert age_s > asked_s - half_written_s - 1.0, "also of workers that never saw it good"
            assert {(await stage.ask()).status for _ in range(REQUESTS)} == {200}
            assert any("token keys" in line and "not a JWK Set" in line for line in stage.said)
            key_set.write_bytes(good)
            await until(lambda: _keys_are(stage, "good", 4, 0), "the mended file is told")
            await until(lambda: _file_is_fresh(stage), "its age is little again")

    asyncio.run(scenario())


def test_a_key_set_that_goes_bad_is_told_of_once_by_each_worker_and_so_is_its_mending(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path) as stage:
            await started(stage)
            key_set = tmp_path / "keys" / KEY_SET
            good = key_set.read_bytes()
            document = json.loads(good)
            document["keys"][0] |= {"kty": "none"}
            key_set.write_text(json.dumps(document))
            await until(lambda: _said(stage, "keys[0]", 2), "both workers told of the bad entry")
            await until(lambda: _keys_are(stage, "entries refused", 3, 1), "one key fewer is told")
            key_set.write_bytes(good)
            await until(lambda: _said(stage, "are in force", 2), "both workers told that all is well")
            assert sum("keys[0]" in line for line in stage.said) == 2

    asyncio.run(scenario())


def test_a_replacement_has_the_cells_of_its_supervisor_when_the_file_names_others_first(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        async with running(tmp_path, first_delay_s=60) as stage:
            await started(stage)
            cells = yaml.safe_load((tmp_path / "cells.yaml").read_text())
            first = {"name": "a", "jurisdiction": "eu", "region": "eu", "endpoints": ["127.0.0.1:1"]}
            (tmp_path / "cells.yaml").write_text(yaml.safe_dump({"cells": [first, *cells["cells"]]}))
            await _replace_both(stage)
            assert {(await stage.ask()).status for _ in range(REQUESTS)} == {200}
            await until(lambda: _counted(stage, CELL, REQUESTS), "all are counted under their cell")

    asyncio.run(scenario())


def test_a_replacement_has_the_routes_of_its_supervisor_when_the_file_has_others(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path, first_delay_s=60) as stage:
            await started(stage)
            config = yaml.safe_load((tmp_path / "edge.yaml").read_text())
            config["routes"] = [{"prefix": "/elsewhere", "identity": "required", "fallback": "fail"}]
            (tmp_path / "edge.yaml").write_text(yaml.safe_dump(config))
            await _replace_both(stage)
            assert {(await stage.ask()).status for _ in range(REQUESTS)} == {200}

    asyncio.run(scenario())


def test_a_replacement_knows_no_cell_that_was_appended_since_and_counts_as_its_siblings(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        async with running(tmp_path, first_delay_s=60) as stage:
            await started(stage)
            cells = yaml.safe_load((tmp_path / "cells.yaml").read_text())["cells"]
            (tmp_path / "cells.yaml").write_text(
                yaml.safe_dump({"cells": [*cells, cells[0] | {"name": NEW}]})
            )
            old = await stage.pid(0)
            os.kill(old, signal.SIGKILL)  # one of two: both must give the same answers
            await stage.replaced(0, old)
            assert {(await stage.ask()).status for _ in range(REQUESTS)} == {200}
            stage.token = await _token_of_a_user_at(tmp_path, NEW)
            refused = [await stage.ask() for _ in range(REQUESTS)]
            assert {answer.status for answer in refused} == {503}
            assert all(b"home-not-listed" in answer.body for answer in refused)
            await until(lambda: _counted(stage, CELL, REQUESTS), "all others are counted under their cell")
            metrics = await stage.metrics()
            assert {labels["cell"] for labels in metrics.labelled("homecell_requests_total")} == {
                CELL,
                "none",
            }
            assert json.loads((await stage.admin("/-/flags")).body)["cells"] == [CELL]

    asyncio.run(scenario())


def test_a_config_that_is_being_edited_stops_no_replacement(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path, first_delay_s=60) as stage:
            await started(stage)
            (tmp_path / "edge.yaml").write_text("edge: {name: [")
            (tmp_path / "cells.yaml").unlink()
            await _replace_both(stage)
            assert {(await stage.ask()).status for _ in range(REQUESTS)} == {200}

    asyncio.run(scenario())


async def _keys_are(stage: Stage, state: str, in_force: int, refused: int) -> bool:
    told = json.loads((await stage.admin("/-/ready")).body)["token_keys"]
    return (told["state"], told.get("in_force"), told.get("refused")) == (state, in_force, refused)


async def _file_is_fresh(stage: Stage) -> bool:
    age_s = (await stage.metrics()).value("homecell_token_keys_age_seconds")
    return age_s is not None and age_s < 5.0


async def _replace_both(stage: Stage) -> None:
    for slot in (0, 1):
        old = await stage.pid(slot)
        os.kill(old, signal.SIGKILL)
        await stage.replaced(slot, old)


async def _said(stage: Stage, words: str, times: int) -> bool:
    return sum(words in line for line in stage.said) >= times


async def _counted(stage: Stage, cell: str, requests: int) -> bool:
    return (await stage.metrics()).total("homecell_requests_total", cell=cell) == requests


async def _token_of_a_user_at(folder: Path, cell: str) -> str:
    """Of one who is at home there by what the store says; signed like the stage's own."""
    store = await SqliteStore.open(folder / "home.sqlite", create=False)
    await store.load([Assignment(user_key("8"), cell, "eu", epoch=1, updated_at_s=time.time())])
    await store.close()
    return _token(folder, "HS256", "8")


def _token_of_the_key_set(folder: Path) -> str:
    """Signed by a key that is in the JWK Set only."""
    return _token(folder, "ES256", USER)


def _token(folder: Path, algorithm: str, user: str) -> str:
    key_id, file = DEMO_KEYS[algorithm]
    return mint_token(
        load_signing_key(key_id, algorithm, folder / "keys" / file),
        subject=user,
        issuer="https://id.homecell.example",
        audience="homecell-demo",
        now_s=time.time(),
        lifetime_s=3600,
    )
