"""Identify: which credential counts, what it costs to come back, and what a refused one can't do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import INVALID_CREDENTIAL, NO_CREDENTIAL, Problem, Refusal
from proxy.model import Source
from proxy.rooms.canonical import encode_base64url
from proxy.rooms.faults import Fault
from proxy.rooms.identify import Identify
from proxy.rooms.identity import Identity
from proxy.rooms.jwks import TokenKeys
from proxy.rooms.routing_cookie import CookieKey, RoutingCookies
from proxy.rooms.tokens import TokenVerifier, VerifiedToken
from proxy.rooms.verified import ENTRY_BYTES
from tests.proxy.rooms.forge import NOW_S, OTHER_SECRET, RULES, SECRET, token, verification_key

COOKIES = RoutingCookies("home_cell", (CookieKey("c1", SECRET),), lifetime_s=3600, secure=False)
USUAL = (Source.BEARER, Source.SESSION_COOKIE, Source.ROUTING_COOKIE)


class CountingVerifier(TokenVerifier):
    """The real verifier, counting how often it is asked."""

    asked = 0

    def verify(self, token: bytes, now_s: float) -> VerifiedToken | Fault:
        self.asked += 1
        return super().verify(token, now_s)


class Edge:
    """Identify with one HS256 key, and a clock that the test sets."""

    def __init__(
        self, order: tuple[Source, ...] = USUAL, file: Path | None = None, remembered_bytes: int = 1 << 20
    ) -> None:
        self.verifier = CountingVerifier(RULES, TokenKeys((verification_key("fixed", "HS256"),), file))
        self.identify = Identify(order, self.verifier, "session", COOKIES, remembered_bytes)
        self.now_s = NOW_S

    def ask(self, authorization: bytes = b"", cookie: bytes = b"") -> Identity | Refusal:
        return self.identify.identify(authorization, cookie, self.now_s)

    def identity(self, authorization: bytes = b"", cookie: bytes = b"") -> Identity:
        found = self.ask(authorization, cookie)
        assert isinstance(found, Identity), found
        return found

    def refusal(self, authorization: bytes = b"", cookie: bytes = b"") -> tuple[Problem, str]:
        found = self.ask(authorization, cookie)
        assert isinstance(found, Refusal)
        return found.problem, found.detail

    def fault(self, authorization: bytes = b"", cookie: bytes = b"") -> str:
        problem, detail = self.refusal(authorization, cookie)
        assert problem is INVALID_CREDENTIAL
        return detail


@pytest.fixture
def edge() -> Edge:
    return Edge()


def bearer(credential: bytes | None = None) -> bytes:
    return b"Bearer " + (token() if credential is None else credential)


def session(credential: bytes | None = None) -> bytes:
    return b"session=" + (token() if credential is None else credential)


def routing(
    key: str = "user:42", epoch: int = 7, cell: str = "eu-west-1-cell-01", now_s: float = NOW_S
) -> bytes:
    return COOKIES.set_cookie(key, cell, epoch, now_s).partition(b";")[0]


def forged(pair: bytes) -> bytes:
    return pair[:-2] + (b"AA" if pair[-2:] != b"AA" else b"BA")


# --- bearer tokens


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


# --- returning credentials


def test_a_returning_token_is_not_verified_again_and_gives_the_same_object(edge: Edge) -> None:
    first = edge.identity(bearer())
    assert edge.identity(bytes(bytearray(bearer()))) is first
    assert edge.identity(b"bearer  " + token()) is first
    assert edge.verifier.asked == 1


def test_a_returning_session_cookie_is_not_verified_again(edge: Edge) -> None:
    first = edge.identity(cookie=session())
    assert edge.identity(cookie=b"a=b; " + session()) is first
    assert edge.verifier.asked == 1


@pytest.mark.parametrize("by_cookie", [False, True], ids=["bearer", "session cookie"])
def test_a_returning_token_is_refused_from_its_expiry_on_and_not_verified_for_that(
    edge: Edge, by_cookie: bool
) -> None:
    fields = (b"", session()) if by_cookie else (bearer(), b"")
    edge.identity(*fields)
    edge.now_s = NOW_S + 69.999
    edge.identity(*fields)
    edge.now_s = NOW_S + 70
    assert edge.fault(*fields) == Fault.TOKEN_EXPIRED
    assert edge.verifier.asked == 1


def test_a_returning_token_is_refused_while_a_clock_set_back_says_that_it_is_not_valid_yet(
    edge: Edge,
) -> None:
    credential = bearer(token({"nbf": NOW_S}))
    edge.identity(credential)
    edge.now_s = NOW_S - 10.001
    assert edge.fault(credential) == Fault.TOKEN_NOT_YET


def test_a_returning_routing_cookie_is_refused_from_its_expiry_on(edge: Edge) -> None:
    first = edge.identity(cookie=routing())
    edge.now_s = NOW_S + 3599
    assert edge.identity(cookie=routing()) is first
    edge.now_s = NOW_S + 3600
    assert edge.fault(cookie=routing()) == Fault.COOKIE_EXPIRED


def test_a_token_shown_in_another_place_is_another_credential(edge: Edge) -> None:
    edge.identity(bearer())
    edge.identity(cookie=session())
    assert edge.refusal(session())[0] is NO_CREDENTIAL
    assert edge.refusal(cookie=bearer())[0] is NO_CREDENTIAL


def test_invalid_tokens_push_no_valid_one_out() -> None:
    edge = Edge(remembered_bytes=2 * (ENTRY_BYTES + len(bearer())))
    first = edge.identity(bearer())
    for number in range(50):
        edge.ask(bearer(token({"n": number}, which=1)))
    assert edge.identity(bearer()) is first


def test_the_memory_is_bounded_and_what_left_is_verified_again() -> None:
    edge = Edge(remembered_bytes=2 * (ENTRY_BYTES + len(bearer()) + 8))
    for number in range(10):
        edge.identity(bearer(token({"n": number})))
    asked = edge.verifier.asked
    edge.identity(bearer(token({"n": 0})))
    assert edge.verifier.asked == asked + 1


# --- keys that change


def key_file(path: Path, *secrets: bytes) -> Path:
    entries = [
        {"kty": "oct", "kid": f"k{number}", "k": encode_base64url(secret).decode()}
        for number, secret in enumerate(secrets)
    ]
    path.write_text(json.dumps({"keys": entries}))
    return path


@pytest.mark.parametrize("by_cookie", [False, True], ids=["bearer", "session cookie"])
def test_a_withdrawn_key_ends_its_tokens_at_once(tmp_path: Path, by_cookie: bool) -> None:
    edge = Edge(file=key_file(tmp_path / "jwks.json", OTHER_SECRET))
    assert edge.identify.reload(NOW_S)
    credential = token(header={"kid": "k0"}, which=1)
    fields = (b"", session(credential)) if by_cookie else (bearer(credential), b"")
    edge.identity(*fields)
    unaffected = edge.identity(bearer())
    key_file(tmp_path / "jwks.json")
    assert edge.identify.reload(NOW_S)
    assert edge.fault(*fields) == Fault.TOKEN_KEY_UNKNOWN
    assert edge.identity(bearer()) is unaffected


def test_a_key_replaced_under_its_old_id_ends_its_tokens_at_once(tmp_path: Path) -> None:
    edge = Edge(file=key_file(tmp_path / "jwks.json", OTHER_SECRET))
    edge.identify.reload(NOW_S)
    credential = bearer(token(header={"kid": "k0"}, which=1))
    edge.identity(credential)
    key_file(tmp_path / "jwks.json", b"a third secret, again of enough bytes")
    edge.identify.reload(NOW_S)
    assert edge.fault(credential) == Fault.TOKEN_SIGNATURE


def test_a_broken_key_file_ends_no_token(tmp_path: Path) -> None:
    edge = Edge(file=key_file(tmp_path / "jwks.json", OTHER_SECRET))
    edge.identify.reload(NOW_S)
    credential = bearer(token(header={"kid": "k0"}, which=1))
    first = edge.identity(credential)
    (tmp_path / "jwks.json").write_text("{")
    assert edge.identify.reload(NOW_S)
    assert edge.identity(credential) is first


def test_routing_cookies_outlive_a_change_of_token_keys(tmp_path: Path) -> None:
    edge = Edge(file=key_file(tmp_path / "jwks.json", OTHER_SECRET))
    edge.identify.reload(NOW_S)
    first = edge.identity(cookie=routing())
    key_file(tmp_path / "jwks.json")
    edge.identify.reload(NOW_S)
    assert edge.identity(cookie=routing()) is first


# --- session cookies


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


# --- routing cookies


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


# --- order


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


# --- anything


_FIELDS = st.binary(max_size=120) | st.sampled_from(
    [b"Bearer ", b"bearer", b"session=", b"home_cell=", b"; "]
)


@given(st.lists(_FIELDS, max_size=3), st.lists(_FIELDS, max_size=4))
def test_no_fields_whatever_raise_or_identify(authorization: list[bytes], cookie: list[bytes]) -> None:
    assert isinstance(Edge().ask(b"".join(authorization), b"".join(cookie)), Refusal)
