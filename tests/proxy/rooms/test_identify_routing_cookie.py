"""Identify: a routing cookie alone, and beside another credential."""

from __future__ import annotations

import pytest

from proxy.model import Source
from proxy.rooms.faults import Fault
from proxy.rooms.identify import Identify
from tests.proxy.rooms.edge import COOKIES, Edge, bearer, forged, routing, session
from tests.proxy.rooms.forge import NOW_S, token


@pytest.fixture
def edge() -> Edge:
    return Edge()


def test_a_routing_cookie_alone_names_user_and_home(edge: Edge) -> None:
    found = edge.identity(cookie=routing())
    assert (found.key, found.source) == ("user:42", Source.ROUTING_COOKIE)
    assert found.hint is not None
    assert (found.hint.cell, found.hint.epoch) == ("eu-west-1-cell-01", 7)
    assert found.expires_at_s == NOW_S + 3600
    assert found.holds_cookie
    assert not found.wants_cookie


@pytest.mark.parametrize(
    ("cookie", "fault"),
    [
        (routing(now_s=NOW_S - 3600), Fault.COOKIE_EXPIRED),
        (forged(routing()), Fault.COOKIE_SIGNATURE),
        (b"home_cell=", Fault.COOKIE_FORM),
        (routing() + b"; " + routing(epoch=8), Fault.COOKIE_AMBIGUOUS),
    ],
)
@pytest.mark.parametrize("fields", [(bearer(), b""), (b"", session() + b"; ")], ids=["bearer", "session"])
def test_a_bad_routing_cookie_is_refused_alone_and_replaced_beside_a_token(
    edge: Edge, cookie: bytes, fault: Fault, fields: tuple[bytes, bytes]
) -> None:
    assert edge.fault(cookie=cookie) == fault
    found = edge.identity(fields[0], fields[1] + cookie)
    assert (found.key, found.hint) == ("user:42", None)
    assert found.wants_cookie
    assert not found.holds_cookie


@pytest.mark.parametrize("fields", [(bearer(), b""), (b"", session() + b"; ")], ids=["bearer", "session"])
def test_a_routing_cookie_of_another_user_is_ignored_and_replaced(
    edge: Edge, fields: tuple[bytes, bytes]
) -> None:
    found = edge.identity(fields[0], fields[1] + routing("user:1"))
    assert (found.key, found.hint) == ("user:42", None)
    assert found.wants_cookie
    assert not found.holds_cookie


@pytest.mark.parametrize("fields", [(bearer(), b""), (b"", session() + b"; ")], ids=["bearer", "session"])
def test_a_routing_cookie_tells_the_home_that_the_token_does_not(
    edge: Edge, fields: tuple[bytes, bytes]
) -> None:
    found = edge.identity(fields[0], fields[1] + routing())
    assert found.hint is not None
    assert (found.hint.cell, found.hint.epoch) == ("eu-west-1-cell-01", 7)
    assert found.expires_at_s == NOW_S + 70
    assert found.holds_cookie
    assert not found.wants_cookie


@pytest.mark.parametrize(
    ("epoch", "expected"), [(None, "noted"), (6, "noted"), (7, "claimed"), (8, "claimed")]
)
def test_of_two_claimed_homes_the_later_counts(edge: Edge, epoch: int | None, expected: str) -> None:
    claims: dict[str, object] = {"home_cell": "claimed"} | ({} if epoch is None else {"home_epoch": epoch})
    found = edge.identity(bearer(token(claims)), routing(cell="noted", epoch=7))
    assert found.hint is not None
    assert found.hint.cell == expected
    assert found.holds_cookie


def test_a_hint_is_one_object_for_as_long_as_its_credential_returns(edge: Edge) -> None:
    first = edge.identity(bearer(), routing()).hint
    assert first is not None
    assert edge.identity(bearer(), routing()).hint is first
    assert edge.identity(cookie=routing()).hint is first


def test_a_routing_cookie_beside_a_token_leaves_what_is_remembered_alone(edge: Edge) -> None:
    plain = edge.identity(bearer())
    edge.identity(bearer(), routing())
    edge.identity(bearer(), forged(routing()))
    assert edge.identity(bearer()) is plain
    assert (plain.hint, plain.wants_cookie, plain.holds_cookie) == (None, False, False)


def test_unrelated_cookies_change_nothing(edge: Edge) -> None:
    plain = edge.identity(bearer())
    assert edge.identity(bearer(), b"theme=dark; my_home_cell=x") is plain


def test_session_and_routing_cookie_need_names_of_their_own(edge: Edge) -> None:
    with pytest.raises(ValueError, match="'home_cell'"):
        Identify((Source.SESSION_COOKIE,), edge.verifier, "home_cell", COOKIES)
