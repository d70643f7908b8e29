"""Token forms: only the canonical one is read, whatever the signature says."""

from __future__ import annotations

import json

import pytest

from proxy.rooms.canonical import encode_base64url
from proxy.rooms.faults import Fault
from proxy.rooms.tokens import MAX_TOKEN_BYTES
from tests.proxy.rooms.forge import (
    CLAIMS,
    HEADER,
    as_json,
    resealed,
    sealed,
    token,
)
from tests.proxy.rooms.verdicts import user_of, verdict


@pytest.mark.parametrize("extension", [["b64"], ["exp"], [], "b64", None])
def test_a_critical_extension_is_refused(extension: object) -> None:
    assert verdict(token(header={"crit": extension})) is Fault.TOKEN_EXTENSION


@pytest.mark.parametrize("value", [True, False, None])
def test_an_unencoded_payload_is_refused(value: object) -> None:
    assert verdict(token(header={"b64": value})) is Fault.TOKEN_EXTENSION


@pytest.mark.parametrize("kind", ["JWT", "jwt", "at+jwt", "application/at+jwt", "application/JWT"])
def test_access_tokens_and_plain_tokens_are_accepted(kind: str) -> None:
    assert user_of(token(header={"typ": kind})) == "user:42"


def test_a_token_without_a_type_is_accepted() -> None:
    assert user_of(sealed(b'{"alg":"HS256"}', as_json(CLAIMS))) == "user:42"


@pytest.mark.parametrize(
    "kind", ["logout+jwt", "dpop+jwt", "secevent+jwt", "", "application/", None, 1, ["JWT"]]
)
def test_a_token_made_for_something_else_is_refused(kind: object) -> None:
    assert verdict(token(header={"typ": kind})) is Fault.TOKEN_TYPE


def test_a_padded_part_is_refused_even_when_the_signature_covers_it() -> None:
    header, payload = encode_base64url(as_json(HEADER) + b" "), encode_base64url(as_json(CLAIMS))
    assert user_of(resealed(header + b"." + payload)) == "user:42"
    assert verdict(resealed(header + b"=" * (-len(header) % 4) + b"." + payload)) is Fault.TOKEN_ENCODING


def test_a_padded_signature_is_refused() -> None:
    assert verdict(token() + b"=") is Fault.TOKEN_ENCODING


def test_a_signature_with_stray_last_bits_is_refused() -> None:
    good = token()
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    sibling = alphabet[alphabet.index(good[-1:]) + 1 :][:1]  # HMAC-SHA256 leaves two bits that must be zero
    assert verdict(good[:-1] + sibling) is Fault.TOKEN_ENCODING


@pytest.mark.parametrize(
    "junk", [b" ", b"\n", b"\0", b"\t", b",", b"%2e", b"\xc3\xa9", b"\xff", "ﬀ".encode()]
)
@pytest.mark.parametrize("place", ["before", "in the header", "in the payload", "after"])
def test_stray_bytes_in_a_token_are_refused(junk: bytes, place: str) -> None:
    header, payload, mac = token().split(b".")
    spoiled = {
        "before": junk + token(),
        "in the header": header[:4] + junk + header[4:] + b"." + payload + b"." + mac,
        "in the payload": resealed(header + b"." + payload[:8] + junk + payload[8:]),
        "after": token() + junk,
    }[place]
    assert verdict(spoiled) is Fault.TOKEN_ENCODING


@pytest.mark.parametrize(
    "form", [b".", b"..", b"...", b"a", b"a.b", b"a.b.c.d", b"a.b.c.d.e"], ids=lambda form: form.decode()
)
def test_a_token_has_three_parts_that_say_something(form: bytes) -> None:
    expected = Fault.TOKEN_PARTS if form != b".." else Fault.TOKEN_HEADER
    assert verdict(form) is expected


def test_an_empty_token_is_refused() -> None:
    assert verdict(b"") is Fault.TOKEN_EMPTY


def test_a_fourth_part_is_refused() -> None:
    assert verdict(token() + b".") is Fault.TOKEN_PARTS
    assert verdict(token() + b"." + token()) is Fault.TOKEN_PARTS


@pytest.mark.parametrize(
    "header",
    [
        b'{"alg":"none","alg":"HS256"}',
        b'{"alg":"HS256","kid":"a","kid":"k-HS256"}',
        b'{"alg":"HS256","typ":NaN}',
        b'{"alg":"HS256"',
        b'["HS256"]',
        b'\xef\xbb\xbf{"alg":"HS256"}',
        '{"alg":"HS256"}'.encode("utf-16-le"),
        b'{"alg":"HS256","kid":"\\ud800"}',
        b'{"alg":"HS256","x":' + b"[" * 2500 + b"]" * 2500 + b"}",
    ],
)
def test_a_header_that_is_not_strict_json_is_refused(header: bytes) -> None:
    assert verdict(sealed(header, as_json(CLAIMS))) is Fault.TOKEN_HEADER


@pytest.mark.parametrize(
    "change",
    [
        (b'"sub":"42"', b'"sub":"42","sub":"1"'),
        (b'"exp":', b'"exp":9999999999,"exp":'),
        (b'"sub":"42"', b'"sub":"\\ud800"'),
        (b'"sub":"42"', b'"sub":"42","x":Infinity'),
        (b'"sub":"42"', b'"sub":"\xe9"'),
        (b'"exp":1800000060.0', b'"exp":NaN'),
    ],
)
def test_a_payload_that_is_not_strict_json_is_refused(change: tuple[bytes, bytes]) -> None:
    payload = as_json(CLAIMS).replace(*change)
    assert payload != as_json(CLAIMS)
    assert verdict(sealed(as_json(HEADER), payload)) is Fault.TOKEN_CLAIMS


def test_a_payload_in_utf_16_is_refused() -> None:
    assert verdict(sealed(as_json(HEADER), json.dumps(CLAIMS).encode("utf-16"))) is Fault.TOKEN_CLAIMS


@pytest.mark.parametrize("expiry", ["1800000060", True, None, 1e999])
def test_an_expiry_that_is_no_number_is_refused(expiry: object) -> None:
    literal = b"1e999" if expiry == 1e999 else as_json({"e": expiry})[5:-1]
    payload = as_json(CLAIMS).replace(b"1800000060.0", literal)
    assert verdict(sealed(as_json(HEADER), payload)) is Fault.TOKEN_DATE


def test_a_token_up_to_the_limit_is_read_and_one_byte_more_is_not_looked_at() -> None:
    room = MAX_TOKEN_BYTES - len(token({"pad": ""}))
    fits = [
        made
        for n in range(room * 3 // 4 - 4, room)
        if len(made := token({"pad": "x" * n})) == MAX_TOKEN_BYTES
    ]
    assert user_of(fits[0]) == "user:42"
    assert verdict(fits[0] + b"A") is Fault.TOKEN_TOO_LONG
    assert verdict(b"." * (MAX_TOKEN_BYTES + 1)) is Fault.TOKEN_TOO_LONG
