from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookup.aliases import NAMES
from lookup.assignment import NO_EPOCH
from lookup.moved import MovedSet
from lookup.ports import KeyMove
from lookup.resolution import Hint
from tests.lookup.fakes import NOW_S

SKEW_S = 5.0


def caught_up(capacity: int = 100, covers_since_s: float = 0.0) -> MovedSet:
    moved = MovedSet(capacity, SKEW_S)
    moved.restart(covers_since_s)
    moved.fresh_until_s = NOW_S + 3
    return moved


def claim(cell: str = "cell-a", epoch: int = 1, issued_at_s: float = NOW_S - 100) -> Hint:
    return Hint(cell, epoch, issued_at_s)


def test_before_a_history_was_loaded_no_claim_is_an_answer() -> None:
    moved = MovedSet(100, SKEW_S)
    moved.fresh_until_s = NOW_S + 3
    assert not moved.holds("user:1", claim(), NOW_S)


def test_a_claim_about_a_key_that_never_moved_holds() -> None:
    assert caught_up().holds("user:1", claim(), NOW_S)


def test_when_the_feed_is_silent_no_claim_is_an_answer() -> None:
    moved = caught_up()
    assert moved.holds("user:1", claim(), NOW_S + 2.9)
    assert not moved.holds("user:1", claim(), NOW_S + 3)


def test_a_claim_from_before_the_history_begins_is_not_an_answer() -> None:
    moved = caught_up(covers_since_s=NOW_S - 100)
    assert not moved.holds("user:1", claim(issued_at_s=NOW_S - 100 + SKEW_S), NOW_S)
    assert moved.holds("user:1", claim(issued_at_s=NOW_S - 100 + SKEW_S + 1), NOW_S)


def test_a_claim_that_does_not_say_when_it_was_issued_is_not_an_answer() -> None:
    assert not caught_up().holds("user:1", claim(issued_at_s=0.0), NOW_S)


@pytest.mark.parametrize(("epoch", "holds"), [(1, False), (2, False), (3, True), (4, True)])
def test_a_claim_of_an_older_epoch_is_overruled(epoch: int, holds: bool) -> None:
    moved = caught_up()
    moved.note("user:1", 3, NOW_S - 50, "cell-a")
    assert moved.holds("user:1", claim(epoch=epoch), NOW_S) is holds
    assert moved.holds("user:2", claim(epoch=1), NOW_S)


@pytest.mark.parametrize(("after_move_s", "holds"), [(-1, False), (0, False), (5, False), (5.1, True)])
def test_a_claim_without_epoch_is_overruled_up_to_the_move_and_the_skew(
    after_move_s: float, holds: bool
) -> None:
    moved = caught_up()
    moved.note("user:1", 3, NOW_S - 50, "cell-a")
    hint = claim(epoch=NO_EPOCH, issued_at_s=NOW_S - 50 + after_move_s)
    assert moved.holds("user:1", hint, NOW_S) is holds


def test_the_highest_epoch_counts_in_whatever_order_changes_arrive() -> None:
    moved = caught_up()
    moved.note("user:1", 4, NOW_S - 10, "cell-b")
    moved.note("user:1", 3, NOW_S - 20, "cell-a")
    assert moved.epoch_of("user:1") == 4


def test_beyond_the_bound_older_claims_that_name_the_left_cell_are_looked_up() -> None:
    moved = caught_up(capacity=16)
    moved.note("user:0", 2, NOW_S - 50, "cell-a")
    for number in range(1, 17):
        moved.note(f"user:{number}", 2, NOW_S - 40, "cell-b")
    assert len(moved) == 16
    assert not moved.holds("user:0", claim("cell-a", 1, NOW_S - 60), NOW_S)
    assert not moved.holds("user:99", claim("cell-a", 1, NOW_S - 60), NOW_S), "whoever's claim it is"
    assert not moved.holds("user:99", claim("cell-a", 1, NOW_S - 50 + SKEW_S), NOW_S)
    assert moved.holds("user:99", claim("cell-a", 1, NOW_S - 50 + SKEW_S + 1), NOW_S)
    assert moved.holds("user:99", claim("cell-c", 1, NOW_S - 60), NOW_S)


def test_a_key_that_moved_twice_is_safe_from_both_its_old_claims_when_spilled() -> None:
    moved = caught_up(capacity=1)
    moved.note("user:0", 2, NOW_S - 50, "cell-a")
    moved.note("user:0", 3, NOW_S - 40, "cell-b")
    moved.note("user:1", 2, NOW_S - 30, "cell-c")
    assert not moved.holds("user:0", claim("cell-a", 1, NOW_S - 60), NOW_S)
    assert not moved.holds("user:0", claim("cell-b", 2, NOW_S - 45), NOW_S)


@pytest.mark.parametrize("epochs", [(2, 3, 4), (4, 3, 2), (3, 4, 2)])
def test_a_key_that_moved_more_than_once_casts_no_doubt_on_others_while_there_is_room(
    epochs: tuple[int, ...],
) -> None:
    moved = caught_up()
    moved.forget_before(NOW_S - 400)
    for epoch in epochs:
        moved.note("user:0", epoch, NOW_S - 100 + 10 * epoch, f"cell-{epoch % 2}")
    for cell in ("cell-0", "cell-1"):
        assert not moved.holds("user:0", claim(cell, 3, NOW_S - 65), NOW_S)
        assert moved.holds("user:9", claim(cell, 1, NOW_S - 200), NOW_S)
        assert not moved.may_be_moving("user:9", claim(cell, 1, NOW_S - 200))


def test_a_spilled_move_from_an_unsaid_cell_makes_all_older_claims_doubtful() -> None:
    moved = caught_up(capacity=1)
    moved.note("user:0", 2, NOW_S - 50, "")
    moved.note("user:1", 2, NOW_S - 30, "cell-c")
    assert not moved.holds("user:0", claim("cell-a", 1, NOW_S - 60), NOW_S)
    assert not moved.holds("user:9", claim("cell-z", 1, NOW_S - 60), NOW_S)
    assert not moved.holds("user:9", claim("cell-z", 1, NOW_S - 50 + SKEW_S), NOW_S)
    assert moved.holds("user:9", claim("cell-z", 1, NOW_S - 50 + SKEW_S + 1), NOW_S)


def test_forgetting_old_moves_takes_the_claims_from_before_along() -> None:
    moved = caught_up(capacity=1)
    moved.note("user:0", 2, NOW_S - 1000, "cell-a")
    moved.note("user:1", 2, NOW_S - 900, "cell-b")
    moved.forget_before(NOW_S - 500)
    assert len(moved) == 0
    for cell in ("cell-a", "cell-b", "cell-z"):
        assert not moved.holds("user:0", claim(cell, 1, NOW_S - 1100), NOW_S)
        assert moved.holds("user:0", claim(cell, 1, NOW_S - 400), NOW_S)


def test_a_new_history_replaces_the_old_one() -> None:
    moved = caught_up()
    moved.note("user:1", 5, NOW_S - 10, "cell-a")
    moved.restart(0.0)
    assert moved.epoch_of("user:1") == NO_EPOCH


def test_until_the_history_reaches_back_over_the_longest_credential_anybody_may_be_moving() -> None:
    """By a move from before the history, which nobody here has heard of."""
    moved = caught_up(covers_since_s=NOW_S - 100)
    hint = claim(issued_at_s=NOW_S - 10)
    assert moved.holds("user:1", hint, NOW_S)
    assert moved.may_be_moving("user:1", hint)
    moved.forget_before(NOW_S - 400)
    assert moved.may_be_moving("user:1", hint)
    moved.forget_before(NOW_S - 100)
    assert not moved.may_be_moving("user:1", hint)
    moved.restart(NOW_S - 50)
    assert moved.may_be_moving("user:1", hint)


def test_a_user_may_be_moving_at_the_epoch_of_the_last_change_and_not_at_a_later_one() -> None:
    moved = caught_up(covers_since_s=NOW_S - 500)
    moved.forget_before(NOW_S - 400)
    moved.note("user:1", 2, NOW_S - 50, "cell-a")
    for epoch, may_be in ((NO_EPOCH, True), (2, True), (3, False)):
        assert moved.may_be_moving("user:1", claim(epoch=epoch, issued_at_s=NOW_S)) is may_be
    assert not moved.may_be_moving("user:2", claim(issued_at_s=NOW_S))


@pytest.mark.parametrize(("left_cell", "from_elsewhere"), [("cell-a", False), ("", True)])
def test_who_is_in_a_cell_that_a_forgotten_user_left_may_be_that_one(
    left_cell: str, from_elsewhere: bool
) -> None:
    moved = caught_up(capacity=1, covers_since_s=NOW_S - 500)
    moved.forget_before(NOW_S - 400)
    moved.note("user:1", 2, NOW_S - 60, left_cell)
    moved.note("user:2", 2, NOW_S - 50, "cell-b")
    hint = claim("cell-a", 2, NOW_S - 1)
    assert moved.holds("user:1", hint, NOW_S)
    assert moved.may_be_moving("user:1", hint)
    assert moved.may_be_moving("user:9", claim("cell-z", 2, NOW_S - 1)) is from_elsewhere
    moved.forget_before(NOW_S - 55)
    assert not moved.may_be_moving("user:9", hint), "no move is open for so long"


CHANGES = [
    KeyMove(f"user:{user}", epoch, NOW_S - 100 + 10 * epoch + user, f"cell-{(user + epoch - 1) % 3}")
    for user in range(4)
    for epoch in (2, 3, 4)
]
"""At epoch n user u lives in cell (u + n) mod 3."""


@given(st.permutations(CHANGES), st.integers(1, 5))
def test_in_whatever_order_changes_come_none_that_was_spilled_is_hidden_by_an_older_one(
    changes: list[KeyMove], capacity: int
) -> None:
    moved = caught_up(capacity, covers_since_s=NOW_S - 500)
    moved.forget_before(NOW_S - 400)
    for change in changes:
        moved.note(change.key, change.epoch, change.moved_at_s, change.left_cell)
    for change in CHANGES:
        issued_at_s = change.moved_at_s - 1.0
        for epoch in (NO_EPOCH, change.epoch - 1):
            assert not moved.holds(change.key, claim(change.left_cell, epoch, issued_at_s), NOW_S)
        written = claim(change.left_cell, change.epoch, NOW_S)  # issued while the user was being moved away
        assert change.epoch < 4 or moved.may_be_moving(change.key, written)
    for user in range(4):
        assert moved.holds(f"user:{user}", claim(f"cell-{(user + 4) % 3}", 4, NOW_S), NOW_S)


@given(st.permutations([2, 3, 4]), st.integers(1, 3))
def test_nor_is_a_change_of_whom_a_key_names(epochs: list[int], capacity: int) -> None:
    moved = caught_up(capacity)
    for epoch in epochs:
        moved.note("email:a@x", epoch, NOW_S - 100 + 10 * epoch, NAMES)
        for other in range(capacity):
            moved.note(f"user:{other}", epoch, NOW_S - 100, "cell-a")
    for epoch in (1, 2, 3):
        assert moved.overrules_name("email:a@x", epoch, NOW_S - 100 + 10 * epoch)
    assert not moved.overrules_name("email:a@x", 4, NOW_S)


def test_a_set_that_takes_over_anothers_knowledge_takes_its_reach_along() -> None:
    moved, other = caught_up(), caught_up()
    other.forget_before(NOW_S - 400)
    moved.become(other)
    assert not moved.may_be_moving("user:1", claim())
    moved.become(caught_up())
    assert moved.may_be_moving("user:1", claim())
