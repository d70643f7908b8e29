"""Where many users are sent: never against the law, never to a cell that takes nobody, evenly otherwise."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from lookup.assignment import Assignment, State
from lookup.move_targets import Stays, Targets
from lookup.placement import CellRoom, ShareLimits
from lookup.placer import PlacementPlan
from tests.lookup.fakes import home

PLAN = PlacementPlan(
    [
        CellRoom("eu-1", "eu"),
        CellRoom("eu-2", "eu"),
        CellRoom("eu-3", "eu", weight=3.0),
        CellRoom("us-1", "us"),
        CellRoom("us-2", "us"),
        CellRoom("ch-1", "ch"),
    ],
    {"eu": ("eu", "ch"), "us": ("us",), "ch": ("ch",)},
    ShareLimits(warning=1.0),
)
CELL_NAMES = [cell.name for cell in PLAN.cells]


def targets(
    *candidates: str, leaving: str = "", closed: tuple[str, ...] = (), plan: PlacementPlan = PLAN
) -> Targets:
    return Targets(plan, candidates or None, leaving, {}, frozenset(closed))


def reason(found: str | Stays) -> str:
    assert isinstance(found, Stays)
    assert not found.content
    return found.reason


def american(key: str) -> Assignment:
    return replace(home(key, "us-1"), jurisdiction="us")


@given(
    law=st.sampled_from(["eu", "us", "ch"]),
    cell=st.sampled_from(CELL_NAMES),
    candidates=st.lists(st.sampled_from(CELL_NAMES), unique=True),
    closed=st.sets(st.sampled_from(CELL_NAMES)),
    wanted=st.sampled_from(["", *CELL_NAMES, "no-such"]),
    leaving=st.booleans(),
)
def test_a_target_is_always_lawful_open_elsewhere_and_among_those_asked_for(
    law: str, cell: str, candidates: list[str], closed: set[str], wanted: str, leaving: bool
) -> None:
    record = replace(home("user:1", cell), jurisdiction=law)
    chooser = targets(*candidates, leaving=cell if leaving else "", closed=tuple(closed))
    found = chooser.choose(record, wanted)
    if isinstance(found, Stays):
        assert found.reason
        return
    assert found != cell
    assert found not in closed
    assert found == wanted or (not wanted and (not candidates or found in candidates))
    lawful = PLAN.laws[law] if wanted or len(candidates) == 1 else (law,)
    assert next(room.jurisdiction for room in PLAN.cells if room.name == found) in lawful


def test_users_are_spread_over_the_cells_of_their_law_by_weight() -> None:
    chooser = targets(leaving="eu-1")
    found = Counter(chooser.choose(home(f"user:{number}", "eu-1"), "") for number in range(2000))
    assert set(found) == {"eu-2", "eu-3"}
    assert 1400 < found["eu-3"] < 1600


def test_a_cell_that_was_filled_gets_no_more() -> None:
    small = replace(PLAN, cells=[CellRoom("eu-1", "eu"), CellRoom("eu-2", "eu", capacity=10)])
    chooser = targets(leaving="eu-1", plan=small)
    found = [chooser.choose(home(f"user:{number}", "eu-1"), "") for number in range(12)]
    assert found[:10] == ["eu-2"] * 10
    assert "eu-2 is full (10 of 10 users)" in reason(found[10])
    assert found[10] == found[11]


def test_who_lives_where_it_should_stays_and_is_content() -> None:
    assert targets().choose(home("user:1", "eu-1"), "eu-1") == Stays("is at home in eu-1", content=True)
    assert targets("eu-1", "eu-2").choose(home("user:1", "eu-2"), "") == Stays(
        "is at home in eu-2", content=True
    )


def test_each_refusal_has_its_reason() -> None:
    moving = replace(home("user:1", "eu-1"), state=State.MOVING, moved_to="eu-2")
    assert reason(targets().choose(moving, "")) == "is being moved to eu-2 already"
    assert "no such cell" in reason(targets().choose(home("user:1", "eu-1"), "eu-9"))
    assert "may not live under the law of us" in reason(targets().choose(home("user:1", "eu-1"), "us-1"))
    assert "not serving" in reason(targets(closed=("eu-2",)).choose(home("user:1", "eu-1"), "eu-2"))
    assert "the cell that is to be left" in reason(
        targets(leaving="eu-2").choose(home("user:1", "eu-1"), "eu-2")
    )
    nowhere = replace(home("user:1", "eu-1"), jurisdiction="jp")
    assert "the law of jp" in reason(targets().choose(nowhere, ""))
    alone = targets("us-2", "eu-2").choose(replace(home("user:1", "ch-1"), jurisdiction="ch"), "")
    assert "finds no room" in reason(alone)
    assert targets("us-2", "eu-2").choose(american("user:1"), "") == "us-2"
