"""The edge's state as the admin endpoint tells it: values and their JSON, no sockets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from proxy.control.messages import WorkerState
from proxy.observe.heavy import Heavy
from proxy.observe.token_keys import TokenKeyState

Json = bool | int | float | str | None | Sequence["Json"] | Mapping[str, "Json"]

_FEED_SILENT_S: Final = 5.0  # the feed has a heartbeat every second


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """One worker process. feed_age_s is None when it never heard from the feed."""

    slot: int
    pid: int
    state: WorkerState
    flags: Mapping[str, int]
    applied_ms: int
    feed_age_s: float | None

    def serves(self) -> bool:
        """Whether it serves, knowing the flags."""
        return self.state is WorkerState.READY and self.feed_age_s is not None


@dataclass(frozen=True, slots=True)
class EdgeStatus:
    """The whole edge; `store` is where its truth is, `stopping` is set once it was told to stop.

    cells       the names that its cells file had when it was started
    token_keys  how it stands with the keys that verify tokens; None while no worker has told
    failing     those of the cells that do not answer
    """

    edge: str
    store: str
    cells: Sequence[str]
    stopping: bool
    workers: Sequence[WorkerStatus]
    token_keys: TokenKeyState | None
    failing: Sequence[str] = ()

    def ready(self) -> bool:
        """Whether a load balancer should send traffic here."""
        return not self.stopping and any(worker.serves() for worker in self.workers)

    def feed_age_s(self) -> float | None:
        """Of the worker that heard least recently from the feed; None when none ever did."""
        return max((w.feed_age_s for w in self.workers if w.feed_age_s is not None), default=None)


def ready_body(status: EdgeStatus) -> Json:
    """The body of /-/ready."""
    return {
        "ready": status.ready(),
        "edge": status.edge,
        "stopping": status.stopping,
        "store": _store_state(status.feed_age_s()),
        "token_keys": _key_state(status.token_keys),
        "workers": [
            {
                "slot": worker.slot,
                "pid": worker.pid,
                "state": worker.state.value,
                "feed_age_s": _rounded(worker.feed_age_s),
            }
            for worker in status.workers
        ],
    }


def flags_body(status: EdgeStatus) -> Json:
    """The body of /-/flags: whose word it is, its cells, those that fail, and each worker's flag versions."""
    return {
        "edge": status.edge,
        "store": status.store,
        "cells": list(status.cells),
        "failing": list(status.failing),
        "workers": [
            {
                "slot": worker.slot,
                "pid": worker.pid,
                "ready": worker.serves(),
                "flags": dict(worker.flags),
                "applied_ms": worker.applied_ms,
            }
            for worker in status.workers
        ],
    }


def heavy_body(edge: str, users: Sequence[Heavy]) -> Json:
    """The body of /-/heavy."""
    return {
        "edge": edge,
        "users": [
            {
                "cell": user.cell,
                "key": user.key,
                "share_at_least": round(user.share_at_least, 4),
                "share_at_most": round(user.share_at_most, 4),
                "samples": user.samples,
                "samples_of_cell": user.samples_of_cell,
            }
            for user in users
        ],
    }


def _store_state(feed_age_s: float | None) -> Json:
    if feed_age_s is None:
        state = "not heard yet"
    else:
        state = "silent" if feed_age_s > _FEED_SILENT_S else "heard"
    return {"state": state, "feed_age_s": _rounded(feed_age_s)}


def _key_state(keys: TokenKeyState | None) -> Json:
    if keys is None:
        return {"state": "not heard yet"}
    if keys.unusable:
        state = "file unusable"
    else:
        state = "entries refused" if keys.refused else "good"
    return {
        "state": state,
        "in_force": keys.in_force,
        "refused": keys.refused,
        "file_age_s": _rounded(keys.age_s),
    }


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
