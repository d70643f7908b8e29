"""Finding one cookie among many."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.rooms.cookies import AMBIGUOUS, find_pair


@pytest.mark.parametrize(
    "field",
    [
        b"sid=1",
        b"a=2; sid=1",
        b"sid=1; a=2",
        b"a=2; sid=1; b=3",
        b"a=2;sid=1;b=3",
        b"  sid=1  ; a=2",
        b"a=2; \t sid=1\t",
        b";; sid=1;;",
        b"xsid=2; sid=1",
        b"a=sid=2; sid=1",
        b"sid; sid=1",
        b"SID=2; sid=1",
        b"sid=1; sid=1",
    ],
)
def test_a_cookie_is_found_wherever_it_stands(field: bytes) -> None:
    assert find_pair(field, b"sid=") == b"sid=1"


@pytest.mark.parametrize(
    "field",
    [b"", b"sid", b"a=1", b"xsid=1", b"SID=1", b"a=sid=1", b"sid =1", b"a sid=1", b"a,sid=1", b'"sid=1'],
)
def test_what_only_looks_like_it_is_not_found(field: bytes) -> None:
    assert find_pair(field, b"sid=") is None


def test_a_value_is_taken_as_it_stands() -> None:
    assert find_pair(b'sid="a=b, c"; x=1', b"sid=") == b'sid="a=b, c"'
    assert find_pair(b"sid=; x=1", b"sid=") == b"sid="


@pytest.mark.parametrize(
    "field", [b"sid=1; sid=2", b"sid=1; a=3; sid=2", b"sid=; sid=1", b"sid=1; sid=1; sid=2"]
)
def test_different_values_are_ambiguous(field: bytes) -> None:
    assert find_pair(field, b"sid=") == AMBIGUOUS


def test_a_field_full_of_candidates_is_ambiguous_and_does_not_cost_a_search_without_end() -> None:
    assert find_pair(b"a=sid=;" * 15 + b"sid=1", b"sid=") == b"sid=1"
    assert find_pair(b"a=sid=;" * 16 + b"sid=1", b"sid=") == AMBIGUOUS


_NAMES = st.sampled_from([b"sid", b"xsid", b"sidx", b"a"])
_PAIRS = st.lists(st.tuples(_NAMES, st.sampled_from([b"", b"1", b"2", b"sid=1"])), max_size=8)


@given(_PAIRS, st.sampled_from([b";", b"; ", b" ;\t"]))
def test_it_agrees_with_splitting_the_whole_field(pairs: list[tuple[bytes, bytes]], between: bytes) -> None:
    found = find_pair(between.join(name + b"=" + value for name, value in pairs), b"sid=")
    values = {value for name, value in pairs if name == b"sid"}
    expected = None if not values else b"sid=" + values.pop() if len(values) == 1 else AMBIGUOUS
    assert found == expected


@given(st.binary(max_size=100))
def test_no_field_whatever_raises(field: bytes) -> None:
    found = find_pair(field, b"s=")
    assert not found or found.startswith(b"s=")
