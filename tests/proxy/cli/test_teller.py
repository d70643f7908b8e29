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


@pytest.mark.parametrize(
    ("copy", "verify", "steps", "said"),
    [
        (
            "./copy.sh",
            "./look.sh",
            (Step.COPYING, Step.VERIFYING, Step.COMMITTING),
            [
                "acknowledged by every worker; copying",
                "copied; verifying",
                "verified; giving the user its new home",
            ],
        ),
        (
            "./copy.sh",
            "",
            (Step.COPYING, Step.COMMITTING),
            [
                "acknowledged by every worker; copying",
                "copied; no verify command was given; giving the user its new home",
            ],
        ),
        (
            "",
            "",
            (Step.COMMITTING,),
            ["acknowledged by every worker; there is nothing to copy; giving the user its new home"],
        ),
        (  # noted by a program that left no step out
            "",
            "",
            (Step.COPYING, Step.VERIFYING),
            ["acknowledged by every worker; there is nothing to copy", "no verify command was given"],
        ),
    ],
)
def test_it_says_of_hooks_only_what_is_done(
    capsys: pytest.CaptureFixture[str], copy: str, verify: str, steps: tuple[Step, ...], said: list[str]
) -> None:
    teller = Teller(quiet=False)
    for step in steps:
        order = MoveOrder("op-1", "user:1", "eu-2", copy, verify, "ann", "")
        teller.stepped(Move(order, "eu-1", "eu", 1, step, 0.0, 0.0))
    lines = capsys.readouterr().out.splitlines()[1:]
    assert [line.split("ms  ")[-1].strip() for line in lines] == said
