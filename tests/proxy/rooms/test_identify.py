"""Identify: which credential counts, and what a refused one can't do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import NO_CREDENTIAL, Refusal
from proxy.model import Source
from proxy.rooms.faults import Fault
from tests.proxy.rooms.edge import Edge, bearer, forged, routing, session
from tests.proxy.rooms.forge import NOW_S, token


@pytest.fixture
def edge() -> Edge:
    return Edge()


def test_a_bearer_token_names_the_user(edge: Edge) -> None:
    found = edge.identity(bearer())
    assert (found.key, found.source, found.hint) == ("user:42", Source.BEARER, None)
    assert found.expires_at_s == NOW_S + 70
    assert not found.wants_cookie
    assert not found.holds_cookie


@pytest.mark.parametrize("scheme", [b"bearer ", b"BEARER ", b"bEaReR ", b"Bearer   "])
def test_the_scheme_may_be_written_in_any_case_and_with_more_spaces(edge: Edge, scheme: bytes) -> None:
    assert edge.identity(scheme + token()).key == "user:42"


@pytest.mark.parametrize("field", [b"Bearer", b"Bearer ", b"bearer   "])
def test_a_scheme_without_a_token_is_refused(edge: Edge, field: bytes) -> None:
    assert edge.fault(field) == Fault.TOKEN_EMPTY


@pytest.mark.parametrize(
    "before", [b"Bearer\t", b"Bearer", b"Bearer:", b"BearerX ", b"Bearer,", b"Bearer\xa0"]
)
def test_a_token_that_is_not_after_a_space_is_refused(edge: Edge, before: bytes) -> None:
    assert edge.fault(before + token()) == Fault.TOKEN_ENCODING


def test_two_tokens_in_one_field_are_refused(edge: Edge) -> None:
    assert edge.fault(bearer() + b", " + bearer()) in (Fault.TOKEN_ENCODING, Fault.TOKEN_PARTS)


@pytest.mark.parametrize("field", [b"Basic dTpw", b"Negotiate x", b"DPoP x", b"token", b" "])
def test_another_scheme_is_no_credential_of_ours(edge: Edge, field: bytes) -> None:
    assert edge.refusal(field)[0] is NO_CREDENTIAL
    assert edge.identity(field, session()).source is Source.SESSION_COOKIE


@pytest.mark.parametrize("cookie", [session(), routing(), session() + b"; " + routing()])
def test_an_invalid_bearer_token_never_gives_way_to_a_cookie(edge: Edge, cookie: bytes) -> None:
    assert edge.fault(bearer(token(which=1)), cookie) == Fault.TOKEN_SIGNATURE
    assert edge.fault(b"Bearer", cookie) == Fault.TOKEN_EMPTY
    assert edge.fault(bearer(token({"exp": NOW_S - 60})), cookie) == Fault.TOKEN_EXPIRED


def test_a_refusal_does_not_quote_the_credential(edge: Edge) -> None:
    for credential in (b"quoted-secret", b"a.quoted-secret.c", token(header={"kid": "quoted-secret"})):
        assert "quoted" not in edge.fault(bearer(credential))


def test_without_any_credential_one_is_asked_for(edge: Edge) -> None:
    assert edge.refusal()[0] is NO_CREDENTIAL
    assert edge.refusal(cookie=b"theme=dark; lang=en")[0] is NO_CREDENTIAL


def test_a_session_cookie_names_the_user_and_wants_a_routing_cookie(edge: Edge) -> None:
    found = edge.identity(cookie=b"a=1; " + session() + b"; b=2")
    assert (found.key, found.source) == ("user:42", Source.SESSION_COOKIE)
    assert found.wants_cookie
    assert not found.holds_cookie


def test_a_dead_session_gives_way_to_a_routing_cookie(edge: Edge) -> None:
    dead = session(token({"exp": NOW_S - 60}))
    assert edge.identity(cookie=dead + b"; " + routing()).source is Source.ROUTING_COOKIE
    assert edge.fault(cookie=dead) == Fault.TOKEN_EXPIRED
    assert edge.fault(cookie=dead + b"; " + forged(routing())) == Fault.TOKEN_EXPIRED


def test_two_different_session_cookies_are_refused_whatever_else_is_there(edge: Edge) -> None:
    two = session() + b"; " + session(token({"sub": "1"}))
    assert edge.fault(cookie=two) == Fault.SESSION_AMBIGUOUS
    assert edge.fault(cookie=two + b"; " + routing()) == Fault.SESSION_AMBIGUOUS
    assert edge.identity(cookie=session() + b"; " + session()).key == "user:42"


def test_the_configured_order_decides() -> None:
    both = (bearer(), session(token({"sub": "1"})))
    assert Edge().identity(*both).key == "user:42"
    other_way = Edge((Source.SESSION_COOKIE, Source.BEARER))
    assert other_way.identity(*both).key == "user:1"
    assert other_way.identity(both[0]).key == "user:42"
    assert other_way.identity(both[0]) is other_way.identity(both[0])


def test_a_source_that_is_not_configured_is_not_asked() -> None:
    only_session = Edge((Source.SESSION_COOKIE,))
    assert only_session.refusal(bearer())[0] is NO_CREDENTIAL
    assert only_session.refusal(b"", routing())[0] is NO_CREDENTIAL


def test_a_routing_cookie_first_needs_no_token() -> None:
    edge = Edge((Source.ROUTING_COOKIE, Source.BEARER))
    assert edge.identity(bearer(token({"sub": "1"})), routing()).key == "user:42"
    assert edge.fault(bearer(), forged(routing())) == Fault.COOKIE_SIGNATURE


_FIELDS = st.binary(max_size=120) | st.sampled_from(
    [b"Bearer ", b"bearer", b"session=", b"home_cell=", b"; "]
)


@given(st.lists(_FIELDS, max_size=3), st.lists(_FIELDS, max_size=4))
def test_no_fields_whatever_raise_or_identify(authorization: list[bytes], cookie: list[bytes]) -> None:
    assert isinstance(Edge().ask(b"".join(authorization), b"".join(cookie)), Refusal)
