"""What is written into the shared cache comes back whole, and for no other key."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookup import redis_value
from lookup.assignment import Assignment, State
from tests.lookup.fakes import home

TEXT = st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), min_size=1)
RECORDS = st.builds(
    Assignment,
    key=TEXT,
    cell=TEXT,
    jurisdiction=st.one_of(st.just(""), TEXT),
    epoch=st.integers(1, 2**53),
    state=st.sampled_from(State),
    moved_to=st.one_of(st.just(""), TEXT),
    updated_at_s=st.floats(allow_nan=False),
    read_at_s=st.floats(allow_nan=False),
)


@given(RECORDS)
def test_a_record_comes_back_as_it_was(record: Assignment) -> None:
    found = redis_value.decode(redis_value.encode(record), record.key)
    assert isinstance(found, Assignment)
    assert found == record
    assert found.read_at_s == record.read_at_s


@given(RECORDS, TEXT)
def test_another_keys_value_is_no_answer(record: Assignment, key: str) -> None:
    found = redis_value.decode(redis_value.encode(record), key)
    assert (found is None) is (key != record.key)


@given(st.binary(max_size=60))
def test_noise_is_no_answer(value: bytes) -> None:
    assert redis_value.decode(value, "user:1") is None


@given(RECORDS, st.data())
def test_a_value_cut_short_is_no_answer_or_differs_in_time_only(
    record: Assignment, data: st.DataObject
) -> None:
    value = redis_value.encode(record)
    cut = data.draw(st.integers(0, len(value) - 1))
    found = redis_value.decode(value[:cut], record.key)
    if found is not None:
        assert isinstance(found, Assignment)
        assert (found.cell, found.epoch, found.state) == (record.cell, record.epoch, record.state)


@pytest.mark.parametrize("version", [b"0", b"1", b"", b"x"])
def test_a_value_of_another_version_is_a_miss(version: bytes) -> None:
    assert redis_value.decode(version + redis_value.encode(home("user:1"))[1:], "user:1") is None


@pytest.mark.parametrize("epoch", [0, -1])
def test_no_record_has_such_an_epoch(epoch: int) -> None:
    assert redis_value.decode(redis_value.encode(home("user:1", epoch=epoch)), "user:1") is None


def test_a_record_that_could_not_be_read_back_is_refused() -> None:
    with pytest.raises(ValueError, match="line break"):
        redis_value.encode(home("user:1", cell="a\nb"))


def test_the_scripts_pattern_finds_the_epoch() -> None:
    pattern = redis_value.EPOCH_PATTERN.replace("%d", r"\d")
    found = re.match(pattern, redis_value.encode(home("user:1", epoch=42)).decode())
    assert found is not None
    assert found[1] == "42"
