"""What is written into the feed comes back whole."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookup import feed_event
from lookup.feed_event import FeedEvent
from lookup.flags import Flag, FlagRecord
from tests.lookup.fakes import home
from tests.lookup.test_redis_value import RECORDS

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
TIMES = st.floats(allow_nan=False, allow_infinity=False)
FLAGS = st.builds(
    FlagRecord, TEXT, st.sampled_from(Flag), st.integers(1, 2**53), TEXT, TEXT, TIMES, st.none() | TIMES
)
EVENTS = st.builds(
    FeedEvent,
    st.just("op"),
    assignment=RECORDS.filter(lambda record: abs(record.updated_at_s) < 1e300),
    left_cell=TEXT,
) | st.builds(FeedEvent, st.just("op"), flag=FLAGS)


@given(EVENTS)
def test_an_event_comes_back_as_it_was(event: FeedEvent) -> None:
    assert feed_event.decode("op", feed_event.encode(event)) == event


@given(st.text(max_size=40))
def test_noise_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        feed_event.decode("op", text)


@pytest.mark.parametrize(
    "text", ["[]", '["home"]', '["lease","a"]', '["flag","a",7,1,"","",0,null]', "[" * 100_000]
)
def test_what_a_later_version_may_say_is_refused_and_not_guessed(text: str) -> None:
    with pytest.raises(ValueError):
        feed_event.decode("op", text)


def test_only_a_key_that_lived_elsewhere_before_has_moved() -> None:
    assert FeedEvent("op", assignment=home("user:1", epoch=1, at_s=5.0)).moved_at_s is None
    assert FeedEvent("op", assignment=home("user:1", epoch=2, at_s=5.0)).moved_at_s == 5.0
