"""Replies of a cell that is flagged down from 10 to 11 s on, and serving again from 20 to 21 s on."""

from __future__ import annotations

import pytest

from bench.demo.tally import Verdict
from bench.load_report import LoadReport
from bench.outage import Outage

FLAGGED = Outage("eu-2", down_from_s=10.0, down_s=11.0, back_from_s=20.0, back_s=21.0)


@pytest.mark.parametrize(
    ("asked_s", "right", "degraded"),
    [
        (9.0, Verdict.RIGHT, Verdict.ERROR),
        (10.5, Verdict.RIGHT, Verdict.DEGRADED),
        (11.9, Verdict.RIGHT, Verdict.DEGRADED),
        (12.1, Verdict.ERROR, Verdict.DEGRADED),
        (19.8, Verdict.ERROR, Verdict.DEGRADED),
        (19.95, Verdict.RIGHT, Verdict.DEGRADED),
        (21.9, Verdict.RIGHT, Verdict.DEGRADED),
        (22.1, Verdict.RIGHT, Verdict.ERROR),
    ],
)
def test_a_flag_is_applied_within_a_second_and_in_between_either_reply_will_do(
    asked_s: float, right: Verdict, degraded: Verdict
) -> None:
    answered_s = asked_s + 0.1
    assert FLAGGED.judged(Verdict.RIGHT, "eu-2", asked_s, answered_s) is right
    assert FLAGGED.judged(Verdict.DEGRADED, "eu-2", asked_s, answered_s) is degraded


@pytest.mark.parametrize("asked_s", [9.0, 15.0, 30.0])
def test_other_cells_are_as_ever(asked_s: float) -> None:
    assert FLAGGED.judged(Verdict.RIGHT, "eu-1", asked_s, asked_s + 0.1) is Verdict.RIGHT
    assert FLAGGED.judged(Verdict.DEGRADED, "eu-1", asked_s, asked_s + 0.1) is Verdict.ERROR


def test_a_cell_that_is_never_taken_down_may_not_be_degraded() -> None:
    assert Outage("eu-2").judged(Verdict.RIGHT, "eu-2", 1.0, 2.0) is Verdict.RIGHT
    assert Outage("eu-2").judged(Verdict.DEGRADED, "eu-2", 1.0, 2.0) is Verdict.ERROR


@pytest.mark.parametrize("verdict", [Verdict.WRONG, Verdict.LOST, Verdict.ERROR])
def test_nothing_makes_a_bad_reply_good(verdict: Verdict) -> None:
    assert FLAGGED.judged(verdict, "eu-2", 15.0, 15.1) is verdict


def test_a_flag_that_is_not_applied_fails_the_load_test_for_all_that_one_reply_was_degraded() -> None:
    report = LoadReport(["eu-2"])
    report.taken_down = "eu-2"
    for reply in (Verdict.DEGRADED, *(Verdict.RIGHT for _ in range(100))):
        verdict = FLAGGED.judged(reply, "eu-2", 15.0, 15.1)
        report.note("eu-2", verdict, 1.0, "served" if verdict is Verdict.ERROR else "")
    assert report.failures() == ["100 × eu-2: served"]
