"""Token verification: what is accepted, and each known way around a verifier."""

from __future__ import annotations

import hmac
import json
import warnings
from pathlib import Path

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.rooms.canonical import encode_base64url
from proxy.rooms.faults import Fault
from proxy.rooms.jwks import TokenKeys
from proxy.rooms.keys import ALGORITHMS, VerificationKey
from proxy.rooms.tokens import MAX_KEYS_TRIED, MAX_TOKEN_BYTES, TokenVerifier, VerifiedToken
from tests.proxy.rooms.forge import (
    CLAIMS,
    HEADER,
    NOW_S,
    OTHER_SECRET,
    RULES,
    as_json,
    private_key,
    public_pem,
    resealed,
    sealed,
    token,
    verification_key,
)

ONE_OF_EACH = tuple(verification_key(f"k-{algorithm}", algorithm) for algorithm in ALGORITHMS)


def verifier(*keys: VerificationKey, file: Path | None = None) -> TokenVerifier:
    return TokenVerifier(RULES, TokenKeys(keys or ONE_OF_EACH, file))


def verdict(credential: bytes, *keys: VerificationKey) -> VerifiedToken | Fault:
    return verifier(*keys).verify(credential, NOW_S)


def user_of(credential: bytes, *keys: VerificationKey) -> str:
    verified = verdict(credential, *keys)
    assert isinstance(verified, VerifiedToken), verified
    return verified.claims.key


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("named", [True, False], ids=["with kid", "without kid"])
def test_a_good_token_of_each_algorithm_is_accepted(algorithm: str, named: bool) -> None:
    header: dict[str, object] = {"kid": f"k-{algorithm}"} if named else {}
    verified = verdict(token(header=header, algorithm=algorithm))
    assert isinstance(verified, VerifiedToken)
    assert verified.claims.key == "user:42"
    assert verified.mark == verification_key(f"k-{algorithm}", algorithm).mark


@pytest.mark.parametrize("algorithm", ["HS256", "RS256", "PS256", "ES256", "EdDSA"])
def test_a_token_that_pyjwt_signed_is_accepted(algorithm: str) -> None:
    key = OTHER_SECRET if algorithm == "HS256" else private_key(algorithm)
    made = jwt.encode(dict(CLAIMS), key, algorithm=algorithm, headers={"kid": "k"})
    assert (
        user_of(made.encode(), verification_key("k", algorithm, which=int(algorithm == "HS256"))) == "user:42"
    )


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_signature_of_another_key_is_refused(algorithm: str) -> None:
    assert verdict(token(algorithm=algorithm, which=1)) is Fault.TOKEN_SIGNATURE


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_changed_payload_is_refused(algorithm: str) -> None:
    header, _, mac = token(algorithm=algorithm).split(b".")
    payload = encode_base64url(as_json({**CLAIMS, "sub": "1"}))
    assert verdict(b".".join((header, payload, mac))) is Fault.TOKEN_SIGNATURE


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_an_empty_signature_is_refused(algorithm: str) -> None:
    unsigned = token(algorithm=algorithm).rpartition(b".")[0] + b"."
    assert verdict(unsigned) is Fault.TOKEN_SIGNATURE


@pytest.mark.parametrize("name", ["none", "None", "NONE", "nOnE", ""])
@pytest.mark.parametrize("mac", [b"", b"AAAA"])
def test_a_token_without_algorithm_is_refused(name: str, mac: bytes) -> None:
    unsigned = token(header={"alg": name}).rpartition(b".")[0]
    assert verdict(unsigned + b"." + mac) is Fault.TOKEN_ALGORITHM


@pytest.mark.parametrize(
    "claimed", ["hs256", "HS384", "RS512", "ES384", "ES256K", "HS256 ", 1, None, ["HS256"], {}]
)
def test_an_algorithm_that_is_not_ours_is_refused(claimed: object) -> None:
    assert verdict(token(header={"alg": claimed})) is Fault.TOKEN_ALGORITHM


def test_a_header_that_names_no_algorithm_is_refused() -> None:
    assert verdict(sealed(b'{"typ":"JWT"}', as_json(CLAIMS))) is Fault.TOKEN_ALGORITHM


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256", "EdDSA"])
@pytest.mark.parametrize("named", [True, False], ids=["with kid", "without kid"])
def test_a_public_key_is_never_used_as_a_shared_secret(algorithm: str, named: bool) -> None:
    key = verification_key("k", algorithm)
    header = as_json({"alg": "HS256", **({"kid": "k"} if named else {})})
    signed = encode_base64url(header) + b"." + encode_base64url(as_json(CLAIMS))
    mac = hmac.digest(public_pem(algorithm), signed, "sha256")
    assert verdict(signed + b"." + encode_base64url(mac), key) is Fault.TOKEN_ALGORITHM


@pytest.mark.parametrize("claimed", ALGORITHMS)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_key_verifies_by_its_own_algorithm_whatever_the_token_claims(algorithm: str, claimed: str) -> None:
    swapped = token(header={"alg": claimed, "kid": f"k-{algorithm}"}, algorithm=algorithm)
    if claimed == algorithm:
        assert user_of(swapped) == "user:42"
    else:
        assert verdict(swapped) is Fault.TOKEN_ALGORITHM
        unnamed = token(header={"alg": claimed}, algorithm=algorithm)
        assert verdict(unnamed, verification_key("k", algorithm)) is Fault.TOKEN_ALGORITHM


def test_one_rsa_key_does_not_serve_two_algorithms() -> None:
    made = jwt.encode(dict(CLAIMS), private_key("RS256"), algorithm="PS256", headers={"kid": "k-RS256"})
    assert verdict(made.encode(), verification_key("k-RS256", "RS256")) is Fault.TOKEN_ALGORITHM


def test_the_key_id_selects_the_key() -> None:
    first, second = verification_key("first", "HS256"), verification_key("second", "HS256", which=1)
    assert user_of(token(header={"kid": "second"}, which=1), first, second) == "user:42"
    assert verdict(token(header={"kid": "first"}, which=1), first, second) is Fault.TOKEN_SIGNATURE


@pytest.mark.parametrize(
    "kid", ["unknown", "", "../../dev/null", "k' OR 1=1 --", "k-HS256\0", "K-HS256", "x" * 3000]
)
def test_a_key_id_that_nobody_has_is_refused(kid: str) -> None:
    assert verdict(token(header={"kid": kid})) is Fault.TOKEN_KEY_UNKNOWN


def test_a_key_without_id_is_not_selected_by_an_empty_one() -> None:
    assert verdict(token(header={"kid": ""}), verification_key("", "HS256")) is Fault.TOKEN_KEY_UNKNOWN
    assert user_of(token(), verification_key("", "HS256")) == "user:42"


@pytest.mark.parametrize("kid", [1, None, True, ["k-HS256"], {"k-HS256": 1}])
def test_a_key_id_that_is_not_text_is_refused(kid: object) -> None:
    assert verdict(token(header={"kid": kid})) is Fault.TOKEN_KEY_ID


@pytest.mark.parametrize("member", ["jwk", "jku", "x5c", "x5u"])
def test_a_key_that_the_token_brings_along_is_not_used(member: str) -> None:
    brought = {"kty": "oct", "k": encode_base64url(OTHER_SECRET).decode()}
    assert verdict(token(header={member: brought}, which=1)) is Fault.TOKEN_SIGNATURE


def test_without_a_key_id_keys_are_tried_in_order_up_to_a_bound() -> None:
    wrong = tuple(verification_key(f"w{n}", "HS256", which=1) for n in range(MAX_KEYS_TRIED - 1))
    right = verification_key("right", "HS256")
    assert user_of(token(), *wrong, right) == "user:42"
    one_more = verification_key("w", "HS256", which=1)
    assert verdict(token(), *wrong, one_more, right) is Fault.TOKEN_SIGNATURE


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


def test_the_signature_is_judged_before_the_claims() -> None:
    assert verdict(token({"exp": NOW_S - 3600}, which=1)) is Fault.TOKEN_SIGNATURE
    assert verdict(token({"exp": NOW_S - 3600})) is Fault.TOKEN_EXPIRED


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


def test_weak_keys_are_not_warned_of_while_verifying_because_none_gets_so_far() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert all(user_of(token(algorithm=algorithm)) for algorithm in ALGORITHMS)


@given(st.binary(max_size=400) | st.text(alphabet="abAZ09-_.=", max_size=200).map(str.encode))
def test_no_bytes_whatever_raise_or_verify(credential: bytes) -> None:
    assert isinstance(verdict(credential), Fault)


_PARTS = (
    st.sampled_from([b"", b"{}", b"[]", b'{"alg":"HS256"}', b'{"alg":"ES256"}', b'{"alg":"EdDSA"}'])
    | st.binary()
)


@given(_PARTS, _PARTS, st.binary(max_size=80))
def test_no_three_parts_whatever_raise_or_verify(header: bytes, payload: bytes, mac: bytes) -> None:
    forged = b".".join(encode_base64url(part) for part in (header, payload, mac))
    assert isinstance(verdict(forged), Fault)


@given(st.sampled_from(ALGORITHMS), st.data())
def test_a_token_with_one_changed_byte_never_verifies(algorithm: str, data: st.DataObject) -> None:
    good = token(algorithm=algorithm)
    at = data.draw(st.integers(0, len(good) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != good[at]))
    assert isinstance(verdict(good[:at] + bytes([byte]) + good[at + 1 :]), Fault)
