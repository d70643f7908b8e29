"""What supervisor and workers tell each other: two kinds of message, as JSON; and how a worker ends."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Final

from proxy.observe.heavy import Tally

STORE_IS_AWAY: Final = 3
"""Exit status of a worker that can't start because the store does not answer; the commands have the same."""


class WorkerState(StrEnum):
    """A worker's life, in this order; it may end at any point."""

    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"


@dataclass(frozen=True, slots=True)
class Report:
    """A worker's word, several times a second; each is whole, so that a lost one does no harm.

    flags       for each cell that ever had a flag: the version that this worker applies
    applied_ms  Unix milliseconds at which it noticed the newest of them
    tally       who asks it most; None where the last one told will do
    """

    state: WorkerState
    flags: Mapping[str, int]
    applied_ms: int
    tally: Tally | None = None


class Do(StrEnum):
    """What a supervisor can order. ADOPT carries a listener to accept on, RELEASE ends that. PLACE_ANEW
    carries the texts of a config that places users otherwise."""

    DRAIN = "drain"
    ADOPT = "adopt"
    RELEASE = "release"
    REOPEN_LOGS = "reopen-logs"
    PLACE_ANEW = "place-anew"


@dataclass(frozen=True, slots=True)
class Order:
    """The supervisor's word. `slot` says whose listener is meant, by ADOPT and RELEASE only."""

    do: Do
    slot: int = -1


def encode(message: Report | Order) -> bytes:
    """The message as one JSON object."""
    return json.dumps(asdict(message), ensure_ascii=False).encode()


def decode_report(message: bytes) -> Report:
    """The report of this text; ValueError or KeyError when it is none, which only a bug can cause."""
    told = json.loads(message)
    tally = None if told["tally"] is None else Tally(**told["tally"])
    return Report(WorkerState(told["state"]), told["flags"], told["applied_ms"], tally)


def decode_order(message: bytes) -> Order:
    """The order of this text; ValueError or KeyError when it is none, which only a bug can cause."""
    told = json.loads(message)
    return Order(Do(told["do"]), told["slot"])
