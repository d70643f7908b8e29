"""What the admin endpoint says of the edge."""

from __future__ import annotations

import pytest

from proxy.control.messages import WorkerState
from proxy.control.status import EdgeStatus, WorkerStatus, flags_body, ready_body


def worker(
    slot: int = 0, state: WorkerState = WorkerState.READY, feed_age_s: float | None = 0.1234
) -> WorkerStatus:
    return WorkerStatus(slot, 100 + slot, state, {"eu-1": 3}, 1_790_000_000_000, feed_age_s)


def test_an_edge_is_ready_as_soon_as_one_worker_serves() -> None:
    assert EdgeStatus(
        "edge", "home.sqlite", ["eu-1"], False, [worker(), worker(1, WorkerState.STARTING, None)]
    ).ready()


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
    assert not EdgeStatus("edge", "home.sqlite", ["eu-1"], False, workers).ready()


def test_an_edge_that_stops_is_not_ready() -> None:
    assert not EdgeStatus("edge", "home.sqlite", ["eu-1"], True, [worker()]).ready()


def test_the_body_tells_each_worker_and_the_oldest_knowledge() -> None:
    assert ready_body(
        EdgeStatus("edge", "home.sqlite", ["eu-1"], False, [worker(), worker(1, feed_age_s=9.0)])
    ) == {
        "ready": True,
        "edge": "edge",
        "stopping": False,
        "store": {"state": "silent", "feed_age_s": 9.0},
        "workers": [
            {"slot": 0, "pid": 100, "state": "ready", "feed_age_s": 0.123},
            {"slot": 1, "pid": 101, "state": "ready", "feed_age_s": 9.0},
        ],
    }


def test_the_body_says_when_nothing_was_heard_of_the_store_yet() -> None:
    body = ready_body(EdgeStatus("edge", "home.sqlite", ["eu-1"], False, [worker(feed_age_s=None)]))
    assert isinstance(body, dict)
    assert body["store"] == {"state": "not heard yet", "feed_age_s": None}


def test_flags_are_told_for_each_worker() -> None:
    assert flags_body(
        EdgeStatus("edge", "home.sqlite", ["eu-1"], False, [worker(), worker(1, WorkerState.STARTING)])
    ) == {
        "edge": "edge",
        "store": "home.sqlite",
        "cells": ["eu-1"],
        "workers": [
            {"slot": 0, "pid": 100, "ready": True, "flags": {"eu-1": 3}, "applied_ms": 1_790_000_000_000},
            {"slot": 1, "pid": 101, "ready": False, "flags": {"eu-1": 3}, "applied_ms": 1_790_000_000_000},
        ],
    }
