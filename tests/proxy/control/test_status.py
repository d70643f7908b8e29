"""What the admin endpoint says of the edge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from proxy.control.messages import WorkerState
from proxy.control.status import EdgeStatus, Json, WorkerStatus, flags_body, ready_body
from proxy.observe.token_keys import TokenKeyState

ALL_WELL = TokenKeyState(2, 0, False, 0.5)


def worker(
    slot: int = 0, state: WorkerState = WorkerState.READY, feed_age_s: float | None = 0.1234
) -> WorkerStatus:
    return WorkerStatus(slot, 100 + slot, state, {"eu-1": 3}, 1_790_000_000_000, feed_age_s)


def edge(
    workers: Sequence[WorkerStatus], *, stopping: bool = False, keys: TokenKeyState | None = ALL_WELL
) -> EdgeStatus:
    return EdgeStatus("edge", "home.sqlite", ["eu-1"], stopping, workers, keys)


def test_an_edge_is_ready_as_soon_as_one_worker_serves() -> None:
    assert edge([worker(), worker(1, WorkerState.STARTING, None)]).ready()


@pytest.mark.parametrize(
    "workers",
    [
        [],
        [worker(state=WorkerState.STARTING)],
        [worker(state=WorkerState.DRAINING)],
        [worker(feed_age_s=None)],
    ],
)
def test_an_edge_without_a_worker_that_serves_and_knows_the_flags_is_not_ready(
    workers: list[WorkerStatus],
) -> None:
    assert not edge(workers).ready()


def test_an_edge_that_stops_is_not_ready() -> None:
    assert not edge([worker()], stopping=True).ready()


def test_the_body_tells_each_worker_and_the_oldest_knowledge() -> None:
    assert ready_body(edge([worker(), worker(1, feed_age_s=9.0)])) == {
        "ready": True,
        "edge": "edge",
        "stopping": False,
        "store": {"state": "silent", "feed_age_s": 9.0},
        "token_keys": {"state": "good", "in_force": 2, "refused": 0, "file_age_s": 0.5},
        "workers": [
            {"slot": 0, "pid": 100, "state": "ready", "feed_age_s": 0.123},
            {"slot": 1, "pid": 101, "state": "ready", "feed_age_s": 9.0},
        ],
    }


def test_the_body_says_when_nothing_was_heard_of_the_store_yet() -> None:
    body = ready_body(edge([worker(feed_age_s=None)]))
    assert isinstance(body, dict)
    assert body["store"] == {"state": "not heard yet", "feed_age_s": None}


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        (None, {"state": "not heard yet"}),
        (
            TokenKeyState(2, 1, False, 0.5),
            {"state": "entries refused", "in_force": 2, "refused": 1, "file_age_s": 0.5},
        ),
        (
            TokenKeyState(2, 1, True, 61.0),
            {"state": "file unusable", "in_force": 2, "refused": 1, "file_age_s": 61.0},
        ),
        (
            TokenKeyState(2, 0, False, None),
            {"state": "good", "in_force": 2, "refused": 0, "file_age_s": None},
        ),
    ],
)
def test_the_body_says_how_the_token_keys_are_and_they_make_nothing_unready(
    keys: TokenKeyState | None, told: Json
) -> None:
    status = edge([worker()], keys=keys)
    body = ready_body(status)
    assert isinstance(body, dict)
    assert body["token_keys"] == told
    assert status.ready()


def test_flags_are_told_for_each_worker() -> None:
    status = replace(edge([worker(), worker(1, WorkerState.STARTING)]), failing=["eu-1"])
    assert flags_body(status) == {
        "edge": "edge",
        "store": "home.sqlite",
        "cells": ["eu-1"],
        "failing": ["eu-1"],
        "workers": [
            {"slot": 0, "pid": 100, "ready": True, "flags": {"eu-1": 3}, "applied_ms": 1_790_000_000_000},
            {"slot": 1, "pid": 101, "ready": False, "flags": {"eu-1": 3}, "applied_ms": 1_790_000_000_000},
        ],
    }
