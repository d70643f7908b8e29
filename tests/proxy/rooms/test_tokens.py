"""Token verification: what is accepted, and each known way around a verifier."""

from __future__ import annotations

import hmac
import warnings

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.rooms.canonical import encode_base64url
from proxy.rooms.faults import Fault
from proxy.rooms.keys import ALGORITHMS
from proxy.rooms.tokens import MAX_KEYS_TRIED, VerifiedToken
from tests.proxy.rooms.forge import (
    CLAIMS,
    NOW_S,
    OTHER_SECRET,
    as_json,
    private_key,
    public_pem,
    sealed,
    token,
    verification_key,
)
from tests.proxy.rooms.verdicts import user_of, verdict


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


def test_the_signature_is_judged_before_the_claims() -> None:
    assert verdict(token({"exp": NOW_S - 3600}, which=1)) is Fault.TOKEN_SIGNATURE
    assert verdict(token({"exp": NOW_S - 3600})) is Fault.TOKEN_EXPIRED


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
