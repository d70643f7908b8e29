"""What a terminal is told of a move that takes its time."""

from __future__ import annotations

import time

import pytest

from lookup.moves import Move, MoveOrder, Step
from proxy.cli.teller import Teller


def test_it_says_once_until_when_confirmed_writes_may_run(capsys: pytest.CaptureFixture[str]) -> None:
    move = Move(
        MoveOrder("op-1", "user:1", "eu-2", "", "", "ann", ""), "eu-1", "eu", 1, Step.FENCING, 0.0, 0.0
    )
    teller = Teller(quiet=False)
    for until_s in (1_790_000_000.2, 1_790_000_000.2, 1_790_000_009.0):
        teller.outlasting(move, until_s)
    times = [time.strftime("%H:%M:%S", time.localtime(at_s)) for at_s in (1_790_000_001, 1_790_000_009)]
    said = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert said == [f"writes confirmed by edges without leases may be under way until {at}" for at in times]
