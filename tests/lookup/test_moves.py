"""The table of a move's steps, and what a record becomes at each."""

from __future__ import annotations

import pytest

from lookup.assignment import Assignment, State
from lookup.moves import OVER, TRANSITIONS, Event, Move, MoveOrder, Step, may_give_up, next_step
from tests.lookup.fakes import NOW_S, home

ORDER = MoveOrder("op-1", "user:1", "cell-b")
MOVE = Move(ORDER, "cell-a", "eu", 5, Step.INTENDED, NOW_S, NOW_S)


def test_a_move_that_meets_no_trouble_goes_through_every_step_to_the_target() -> None:
    events = (Event.FENCED, Event.ACKNOWLEDGED, Event.COPIED, Event.VERIFIED, Event.COMMITTED)
    step = Step.INTENDED
    passed = [step]
    for event in events:
        step = next_step(step, event)
        passed.append(step)
    assert passed == [
        Step.INTENDED,
        Step.FENCING,
        Step.COPYING,
        Step.VERIFYING,
        Step.COMMITTING,
        Step.DONE,
    ]


def test_every_step_leads_to_an_end_and_nothing_follows_an_end() -> None:
    for step in Step:
        assert (step in OVER) is not any(known is step for known, _ in TRANSITIONS)
    for step in Step:
        reached = {step}
        for _ in Step:
            reached |= {after for (before, _), after in TRANSITIONS.items() if before in reached}
        assert reached & OVER


@pytest.mark.parametrize("step", [Step.COMMITTING, Step.DONE, Step.ABORTED, Step.RETURNING])
def test_there_is_no_way_back_once_the_target_may_be_home(step: Step) -> None:
    assert not may_give_up(step)
    with pytest.raises(ValueError, match="can't be given-up"):
        next_step(step, Event.GIVEN_UP)


def test_a_commit_that_was_left_alone_for_too_long_leads_back() -> None:
    assert next_step(Step.COMMITTING, Event.EXPIRED) is Step.RETURNING


def test_the_record_is_moving_one_epoch_on_and_has_arrived_two_on() -> None:
    moving = MOVE.moving(NOW_S)
    assert moving == Assignment("user:1", "cell-a", "eu", 6, State.MOVING, "cell-b", NOW_S)
    assert MOVE.owns(moving)
    assert MOVE.arrived(NOW_S) == home("user:1", "cell-b", 7)


def test_a_record_moving_elsewhere_or_at_another_epoch_is_not_this_moves() -> None:
    assert not MOVE.owns(None)
    assert not MOVE.owns(home("user:1", epoch=6))
    assert not MOVE.owns(Assignment("user:1", "cell-a", "eu", 6, State.MOVING, "cell-c"))
    assert not MOVE.owns(Assignment("user:1", "cell-a", "eu", 8, State.MOVING, "cell-b"))


def test_giving_up_gives_the_record_a_new_epoch_even_if_it_was_not_moving_yet() -> None:
    assert MOVE.returned(MOVE.moving(NOW_S), NOW_S) == home("user:1", "cell-a", 7)
    assert MOVE.returned(home("user:1", "cell-a", 5), NOW_S) == home("user:1", "cell-a", 6)


def test_giving_up_leaves_a_record_alone_that_went_on() -> None:
    assert MOVE.returned(home("user:1", "cell-a", 6), NOW_S) is None
    assert MOVE.returned(home("user:1", "cell-b", 7), NOW_S) is None
