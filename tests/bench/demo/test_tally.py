from __future__ import annotations

import pytest

from bench.demo.tally import RECENT_S, CellTally, Tally, Verdict, excused, judge


@pytest.mark.parametrize(
    ("status", "degraded", "answered_by", "verdict"),
    [
        (200, False, "eu-1", Verdict.RIGHT),
        (200, False, "eu-2", Verdict.WRONG),
        (200, True, "eu-2", Verdict.WRONG),
        (500, False, "eu-1", Verdict.WRONG),  # the right cell says that the user is not its own
        (200, True, "", Verdict.DEGRADED),
        (503, True, "", Verdict.DEGRADED),
        (503, False, "", Verdict.ERROR),
        (200, False, "", Verdict.ERROR),
        (404, False, "", Verdict.ERROR),
    ],
)
def test_a_reply_is_right_only_from_the_home_cell(
    status: int, degraded: bool, answered_by: str, verdict: Verdict
) -> None:
    assert judge(status, degraded, answered_by, home="eu-1") is verdict


@pytest.mark.parametrize(
    ("verdict", "problem", "is_busy", "judged"),
    [
        (Verdict.ERROR, "lookup-unavailable", True, Verdict.LATE),
        (Verdict.ERROR, "lookup-unavailable", False, Verdict.ERROR),
        (Verdict.ERROR, "unknown-home", True, Verdict.ERROR),
        (Verdict.WRONG, "lookup-unavailable", True, Verdict.WRONG),
        (Verdict.RIGHT, "", True, Verdict.RIGHT),
    ],
)
def test_only_a_late_lookup_on_a_busy_machine_is_no_error(
    verdict: Verdict, problem: str, is_busy: bool, judged: Verdict
) -> None:
    assert excused(verdict, problem, is_busy) is judged


def test_a_write_that_waits_for_its_users_move_is_answered_by_the_edge_as_is_due() -> None:
    assert excused(Verdict.ERROR, "moving", is_busy=False) is Verdict.DEGRADED


def test_what_came_instead_of_right_replies_is_told_the_commonest_first() -> None:
    tally = Tally(["eu-1", "eu-2"])
    assert tally.instead() == ""
    for home, verdict, reason in (
        ("eu-1", Verdict.RIGHT, "200"),
        ("eu-1", Verdict.DEGRADED, "503 cell-down"),
        ("eu-1", Verdict.ERROR, "503 lookup-unavailable"),
        ("eu-2", Verdict.ERROR, "503 lookup-unavailable"),
    ):
        tally.note(home, verdict, reason, 0.001)
    assert tally.instead() == "2 × 503 lookup-unavailable, 1 × 503 cell-down"


def test_rate_and_latency_are_of_the_latest_seconds_only() -> None:
    tally = CellTally()
    for second in range(10):
        tally.note(Verdict.RIGHT, "200", float(second), latency_s=second / 1000)
    assert tally.rate(9.0) == pytest.approx(6 / RECENT_S)  # those of seconds 4 to 9
    assert tally.latency_s(0.0) == 0.004
    assert tally.latency_s(0.5) == 0.007
    assert tally.latency_s(1.0) == 0.009
    assert tally.rate(100.0) == 0.0
    assert tally.latency_s(0.5) == 0.0
    assert tally.verdicts[Verdict.RIGHT] == 10


def test_what_users_see_of_a_cell_is_what_the_latest_of_them_got() -> None:
    tally = CellTally()
    assert tally.seen(0.0) == ""
    for verdict, reason, seen in (
        (Verdict.RIGHT, "200", "answers"),
        (Verdict.DEGRADED, "503 cell-unreachable", "unreachable"),
        (Verdict.DEGRADED, "200 cell-down", "not asked"),
        (Verdict.ERROR, "500", "500"),
        (Verdict.LOST, "ClientOSError", "ClientOSError"),
    ):
        tally.note(verdict, reason, 0.0, 0.001)
        assert tally.seen(0.0) == seen
    assert tally.seen(RECENT_S + 1) == ""


def test_only_what_is_not_right_has_its_reason_counted() -> None:
    tally = CellTally()
    tally.note(Verdict.RIGHT, "200", 0.0, 0.001)
    tally.note(Verdict.DEGRADED, "503 cell-down", 0.0, 0.001)
    assert tally.reasons == {"503 cell-down": 1}
