"""What a follower makes of entries of the feed's streams."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lookup import feed_event
from lookup.ports import Change
from lookup.redis_cursor import Cursor, Entry
from lookup.redis_feed_scripts import FeedPosition
from tests.lookup.redis_feed_stage import moves

HERE = FeedPosition("g1", 7, "70-0", "5-0", 0.2, True, 0.0)


def beat(sequence: int) -> Entry:
    return b"%d-0" % sequence, {b"s": b"%d" % sequence}


def event(sequence: int) -> Entry:
    (moved,) = moves(1)
    return b"%d-0" % (10 * sequence), {b"s": b"%d" % sequence, b"c": feed_event.encode(moved).encode()}


def told(changes: list[Change]) -> list[tuple[int, bool]]:
    """Sequence of each, and whether it is a heartbeat."""
    return [(change.sequence, change.is_heartbeat) for change in changes]


def test_a_heartbeat_is_told_after_the_events_before_it() -> None:
    cursor = Cursor(HERE, 0.0)
    assert told(cursor.take([event(8), event(9)], [beat(9)], 3.0, is_all=True)) == [
        (8, False),
        (9, False),
        (9, True),
    ]
    assert (cursor.event_id, cursor.beat_id, cursor.beaten_at_s) == ("90-0", "9-0", 3.0)


def test_a_heartbeat_that_more_events_precede_is_not_told_yet_and_makes_no_gap() -> None:
    cursor = Cursor(HERE, 0.0)
    assert told(cursor.take([event(8)], [beat(9)], 3.0, is_all=False)) == [(8, False)]
    assert cursor.beaten_at_s == 3.0, "the feed is alive"
    assert told(cursor.take([event(9)], [], 3.1, is_all=True)) == [(9, False)]


def test_after_a_heartbeat_that_is_ahead_of_the_events_it_goes_on_from_there() -> None:
    cursor = Cursor(HERE, 0.0)
    assert told(cursor.take([], [beat(9)], 3.0, is_all=True)) == [(9, True)]
    assert told(cursor.begin(replace(HERE, sequence=9), 3.5)) == [(9, True)]
    assert told(cursor.take([], [beat(8)], 4.0, is_all=True)) == [], "an older one"


@pytest.mark.parametrize(
    ("position", "begins"),
    [
        (HERE, [(7, True)]),
        (replace(HERE, beat_age_s=1.1), []),
        (replace(HERE, beat_age_s=-1.0), []),
        (replace(HERE, is_complete=False), []),
        (replace(HERE, generation="g2", sequence=3), [(3, True)]),
    ],
    ids=["fresh", "old", "of a clock set back", "not complete", "begun anew"],
)
def test_it_begins_where_the_feed_stands_if_that_is_fresh(
    position: FeedPosition, begins: list[tuple[int, bool]]
) -> None:
    assert told(Cursor(HERE, 0.0).begin(position, 0.0)) == begins
