"""Claims of a verified token: who, when, and which home."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookup.assignment import NO_EPOCH
from proxy.rooms.claims import ClaimRules, Claims, read_claims
from proxy.rooms.faults import Fault
from tests.proxy.rooms.forge import CLAIMS, NOW_S, RULES


def read(now_s: float = NOW_S, /, **changed: object) -> Claims | Fault:
    """The verdict on the good claims, changed; `...` leaves a claim out."""
    members = {name: value for name, value in {**CLAIMS, **changed}.items() if value is not ...}
    return read_claims(members, RULES, now_s)


def accepted(now_s: float = NOW_S, /, **changed: object) -> Claims:
    claims = read(now_s, **changed)
    assert isinstance(claims, Claims)
    return claims


def test_good_claims_name_the_user() -> None:
    assert accepted().key == "user:42"


def test_a_token_is_valid_until_its_expiry_and_the_leeway_and_not_at_that_instant() -> None:
    claims = accepted(NOW_S + 69.999)
    assert claims.expires_at_s == NOW_S + 70
    assert read(NOW_S + 70) is Fault.TOKEN_EXPIRED


def test_a_token_is_valid_from_not_before_less_the_leeway_on() -> None:
    assert accepted(NOW_S, nbf=NOW_S + 10).not_before_s == NOW_S
    assert read(NOW_S - 0.001, nbf=NOW_S + 10) is Fault.TOKEN_NOT_YET


def test_a_token_from_the_future_is_refused_beyond_the_leeway() -> None:
    assert accepted(NOW_S, iat=NOW_S + 10).not_before_s == NOW_S
    assert read(NOW_S, iat=NOW_S + 10.001) is Fault.TOKEN_ISSUED_LATER


def test_an_expiry_is_required() -> None:
    assert read(exp=...) is Fault.TOKEN_WITHOUT_EXPIRY


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
@pytest.mark.parametrize(
    "value",
    ["1800000060", True, None, [1], {}, -1, math.nan, math.inf, NOW_S * 1000, 10**400],
    ids=["text", "bool", "null", "list", "object", "negative", "nan", "infinite", "milliseconds", "huge"],
)
def test_a_date_that_is_no_number_of_seconds_is_refused(name: str, value: object) -> None:
    assert read(**{name: value}) is Fault.TOKEN_DATE


@pytest.mark.parametrize(
    "issuer",
    [..., None, "", "https://id.example/", "https://id.exampl", "HTTPS://ID.EXAMPLE", ["https://id.example"]],
)
def test_the_issuer_is_compared_exactly(issuer: object) -> None:
    assert read(iss=issuer) is Fault.TOKEN_ISSUER


@pytest.mark.parametrize("audience", ["edge", ["edge"], ["other", "edge"]])
def test_the_audience_is_the_text_or_one_of_the_list(audience: object) -> None:
    assert accepted(aud=audience).key == "user:42"


@pytest.mark.parametrize(
    "audience", [..., None, "", "edges", "an edge", [], ["edges"], ["edge", 1], {"edge": 1}]
)
def test_any_other_audience_is_refused(audience: object) -> None:
    assert read(aud=audience) is Fault.TOKEN_AUDIENCE


@pytest.mark.parametrize("user", [..., None, "", 42, True, ["42"], "a b", "a\n", "\ud800", "x" * 257, "#42"])
def test_a_user_that_is_no_routing_key_is_refused(user: object) -> None:
    assert read(sub=user) is Fault.TOKEN_USER


def test_a_home_with_its_epoch_is_a_hint() -> None:
    hint = accepted(home_cell="eu-west-1-cell-01", home_epoch=7).hint
    assert hint is not None
    assert (hint.cell, hint.epoch, hint.issued_at_s) == ("eu-west-1-cell-01", 7, NOW_S - 60)


def test_a_home_without_an_epoch_says_so() -> None:
    hint = accepted(home_cell="eu-west-1-cell-01").hint
    assert hint is not None
    assert hint.epoch == NO_EPOCH


def test_a_home_in_a_token_without_time_of_issue_is_always_to_be_confirmed() -> None:
    hint = accepted(home_cell="eu-west-1-cell-01", iat=...).hint
    assert hint is not None
    assert hint.issued_at_s == 0.0


@pytest.mark.parametrize(
    ("cell", "epoch"),
    [
        (..., 7),
        (7, 7),
        ("", 7),
        ("x" * 129, 7),
        ("zürich", 7),
        ("eu", "7"),
        ("eu", 7.0),
        ("eu", True),
        ("eu", 0),
        ("eu", -2),
        ("eu", 1 << 63),
        ("eu", None),
    ],
)
def test_a_malformed_home_is_no_hint_and_the_token_still_counts(cell: object, epoch: object) -> None:
    assert accepted(home_cell=cell, home_epoch=epoch).hint is None


def test_the_names_of_the_claims_are_configured() -> None:
    rules = ClaimRules(RULES.issuer, RULES.audience, 0, user="uid", cell="c", epoch="e")
    claims = read_claims({**CLAIMS, "uid": "7", "c": "eu", "e": 3}, rules, NOW_S)
    assert isinstance(claims, Claims)
    assert claims.hint is not None
    assert (claims.key, claims.hint.cell, claims.hint.epoch) == ("user:7", "eu", 3)


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from([*CLAIMS, "nbf", "home_cell", "home_epoch"]), _VALUES))
def test_no_claims_whatever_make_reading_raise(changed: dict[str, object]) -> None:
    verdict = read_claims({**CLAIMS, **changed}, RULES, NOW_S)
    assert isinstance(verdict, Fault) or verdict.not_before_s <= NOW_S < verdict.expires_at_s
