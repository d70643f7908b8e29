"""Identify: what a returning credential costs, and when it no longer counts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from proxy.errors import NO_CREDENTIAL
from proxy.rooms.canonical import encode_base64url
from proxy.rooms.faults import Fault
from proxy.rooms.verified import ENTRY_BYTES
from tests.proxy.rooms.edge import Edge, bearer, routing, session
from tests.proxy.rooms.forge import NOW_S, OTHER_SECRET, token


@pytest.fixture
def edge() -> Edge:
    return Edge()


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
