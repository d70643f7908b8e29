"""Routing cookies: only what an edge of ours wrote, for one user, until it expires."""

from __future__ import annotations

import hmac
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.rooms.canonical import encode_base64url
from proxy.rooms.faults import Fault
from proxy.rooms.keys import KeyMistakeError
from proxy.rooms.routing_cookie import (
    MAX_VALUE_BYTES,
    CookieKey,
    RoutingClaim,
    RoutingCookies,
    load_cookie_key,
)
from tests.proxy.rooms.forge import NOW_S, OTHER_SECRET, SECRET

OLD, NEW = CookieKey("old", SECRET), CookieKey("new", OTHER_SECRET)
COOKIES = RoutingCookies("home_cell", (OLD,), lifetime_s=3600, secure=False)


def value(cookies: RoutingCookies = COOKIES, key: str = "user:42", now_s: float = NOW_S) -> bytes:
    """The value of a newly issued cookie."""
    pair = cookies.set_cookie(key, "eu-west-1-cell-01", 7, now_s).partition(b";")[0]
    return pair.removeprefix(b"home_cell=")


def claim(presented: bytes, cookies: RoutingCookies = COOKIES, now_s: float = NOW_S) -> RoutingClaim:
    found = cookies.verify(presented, now_s)
    assert isinstance(found, RoutingClaim), found
    return found


def verdict(presented: bytes) -> RoutingClaim | Fault:
    return COOKIES.verify(presented, NOW_S)


def test_what_was_issued_is_read_back() -> None:
    found = claim(value())
    assert found.key == "user:42"
    assert (found.hint.cell, found.hint.epoch, found.hint.issued_at_s) == ("eu-west-1-cell-01", 7, NOW_S)
    assert found.expires_at_s == NOW_S + 3600


def test_the_browser_is_told_to_keep_it_from_scripts_and_other_sites() -> None:
    attributes = COOKIES.set_cookie("user:42", "eu", 7, NOW_S).split(b"; ")[1:]
    assert attributes == [b"Max-Age=3600", b"Path=/", b"HttpOnly", b"SameSite=Lax"]


def test_behind_https_it_is_kept_from_plain_http() -> None:
    secure = RoutingCookies("home_cell", (OLD,), lifetime_s=60, secure=True)
    assert secure.set_cookie("user:42", "eu", 7, NOW_S).endswith(b"; SameSite=Lax; Secure")


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=80))
def test_any_key_makes_a_value_that_a_cookie_may_hold(name: str) -> None:
    issued = value(key=f"user:{name}")
    assert set(issued) <= set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")
    assert claim(issued).key == f"user:{name}"


def test_the_longest_key_fits_into_the_limit() -> None:
    assert claim(value(key="user:" + "x" * 256)).key == "user:" + "x" * 256
    assert verdict(b"x" * (MAX_VALUE_BYTES + 1)) is Fault.COOKIE_TOO_LONG


def test_it_is_valid_until_its_expiry_and_not_at_that_instant() -> None:
    assert claim(value(), now_s=NOW_S + 3599.999).key == "user:42"
    assert COOKIES.verify(value(), NOW_S + 3600) is Fault.COOKIE_EXPIRED


def test_the_first_key_signs_and_every_key_verifies() -> None:
    before = RoutingCookies("home_cell", (OLD, NEW), 3600, secure=False)
    after = RoutingCookies("home_cell", (NEW, OLD), 3600, secure=False)
    assert value(before).startswith(b"1.old.")
    assert value(after).startswith(b"1.new.")
    assert claim(value(before), after).key == claim(value(after), before).key == "user:42"


def test_a_dropped_key_no_longer_verifies() -> None:
    only_new = RoutingCookies("home_cell", (NEW,), 3600, secure=False)
    assert only_new.verify(value(), NOW_S) is Fault.COOKIE_KEY_UNKNOWN


def test_another_secret_under_the_same_id_does_not_verify() -> None:
    foreign = RoutingCookies("home_cell", (CookieKey("old", OTHER_SECRET),), 3600, secure=False)
    assert verdict(value(foreign)) is Fault.COOKIE_SIGNATURE


def test_it_is_bound_to_its_user() -> None:
    version, key_id, _, mac = value(key="user:1").split(b".")
    body = value(key="user:2").split(b".")[2]
    assert verdict(b".".join((version, key_id, body, mac))) is Fault.COOKIE_SIGNATURE


@pytest.mark.parametrize(
    "changed", [b"8 1800000000 1800003600 eu user:42", b"7 1800000000 1900000000 eu user:42"]
)
def test_epoch_and_expiry_cannot_be_changed(changed: bytes) -> None:
    version, key_id, _, mac = value().split(b".")
    assert verdict(b".".join((version, key_id, encode_base64url(changed), mac))) is Fault.COOKIE_SIGNATURE


@pytest.mark.parametrize("at", range(0, len(value()), 3))
def test_no_byte_of_it_can_be_changed(at: int) -> None:
    good = value()
    other = b"A" if good[at : at + 1] != b"A" else b"B"
    assert isinstance(verdict(good[:at] + other + good[at + 1 :]), Fault)


@pytest.mark.parametrize("tail", [b"=", b" ", b"\0", b"A", b"\n", b".", b".x"])
def test_nothing_can_be_added_to_it(tail: bytes) -> None:
    assert isinstance(verdict(value() + tail), Fault)


def test_another_spelling_of_the_same_signature_is_refused() -> None:
    good = value()
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    sibling = alphabet[alphabet.index(good[-1:]) + 1 :][:1]  # the same 32 bytes to a decoder that forgives
    assert verdict(good[:-1] + sibling) is Fault.COOKIE_SIGNATURE


@pytest.mark.parametrize(
    "presented",
    [b"", b".", b"...", b"1.old", b"1.old.AAAA", b"2" + value()[1:], b"v1" + value()[1:], b"a.b.c.d.e"],
)
def test_another_form_is_refused(presented: bytes) -> None:
    assert verdict(presented) is Fault.COOKIE_FORM


def test_a_signature_of_the_same_secret_for_something_else_is_refused() -> None:
    signed = value().rpartition(b".")[0]
    bare = encode_base64url(hmac.digest(SECRET, signed, "sha256"))
    assert verdict(signed + b"." + bare) is Fault.COOKIE_SIGNATURE


@given(st.binary(max_size=200) | st.binary(max_size=120).map(lambda tail: b"1.old." + tail))
def test_no_bytes_whatever_raise_or_verify(presented: bytes) -> None:
    assert isinstance(verdict(presented), Fault)


@pytest.mark.parametrize("name", ["", "a b", "a=b", "a;b", "é", "a\n"])
def test_a_name_that_no_cookie_can_have_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        RoutingCookies(name, (OLD,), 3600, secure=False)


@pytest.mark.parametrize("keys", [(), (OLD, CookieKey("old", OTHER_SECRET))])
def test_keys_are_needed_and_told_apart(keys: tuple[CookieKey, ...]) -> None:
    with pytest.raises(ValueError, match="key"):
        RoutingCookies("home_cell", keys, 3600, secure=False)


def test_a_key_is_read_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "cookie.secret"
    file.write_bytes(SECRET + b"\n")
    assert load_cookie_key("old", file) == OLD


@pytest.mark.parametrize(
    ("key_id", "content"), [("c1", b"x" * 31), ("c1", b"\xff" * 40 + b"\n"), ("c.1", SECRET)]
)
def test_a_key_that_cannot_be_used_is_a_mistake(tmp_path: Path, key_id: str, content: bytes) -> None:
    file = tmp_path / "cookie.secret"
    file.write_bytes(content)
    with pytest.raises(KeyMistakeError):
        load_cookie_key(key_id, file)


def test_a_key_does_not_show_its_secret() -> None:
    assert "secret of" not in repr(OLD)


def test_a_missing_key_file_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(KeyMistakeError, match="cannot be read"):
        load_cookie_key("c1", tmp_path / "nothing")
