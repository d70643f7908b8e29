"""Where keys are hashed, whoever a credential names is a hash from the moment it was verified."""

from __future__ import annotations

from dataclasses import replace

from lookup.keys import KeySpelling
from proxy.rooms.claims import Claims, read_claims
from proxy.rooms.faults import Fault
from proxy.rooms.routing_cookie import CookieKey, RoutingClaim, RoutingCookies
from tests.proxy.rooms.forge import CLAIMS, NOW_S, RULES, SECRET

SPELLING = KeySpelling(b"0123456789abcdef")
KEPT = SPELLING.stored("user:42")
KEYS = (CookieKey("k", SECRET),)
PLAIN = RoutingCookies("home_cell", KEYS, lifetime_s=3600, secure=False)
HASHED = RoutingCookies("home_cell", KEYS, lifetime_s=3600, secure=False, spelling=SPELLING)


def issued(cookies: RoutingCookies, key: str) -> bytes:
    return cookies.set_cookie(key, "cell-a", 7, NOW_S).partition(b";")[0].removeprefix(b"home_cell=")


def test_a_verified_token_names_the_hash() -> None:
    claims = read_claims(dict(CLAIMS), replace(RULES, spelling=SPELLING), NOW_S)
    assert isinstance(claims, Claims)
    assert claims.key == KEPT


def test_a_cookie_names_the_hash_also_when_it_was_issued_before_keys_were_hashed() -> None:
    for key in (KEPT, "user:42"):
        claim = HASHED.verify(issued(HASHED, key), NOW_S)
        assert isinstance(claim, RoutingClaim)
        assert (claim.key, claim.hint.cell) == (KEPT, "cell-a")


def test_a_cookie_with_a_hash_names_nobody_where_keys_are_as_they_are() -> None:
    assert PLAIN.verify(issued(HASHED, KEPT), NOW_S) is Fault.COOKIE_FORM
