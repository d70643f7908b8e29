"""JWK Sets: which of their entries count."""

from __future__ import annotations

import json

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st

from proxy.rooms.jwks import KeySet, read_key_set
from proxy.rooms.keys import ALGORITHMS, KeyMistakeError
from tests.proxy.rooms.forge import verification_key
from tests.proxy.rooms.key_sets import entry

NOBODY: frozenset[str] = frozenset()


def read(*entries: object, taken: frozenset[str] = NOBODY) -> KeySet:
    return read_key_set(json.dumps({"keys": entries}).encode(), taken)


def mistake_in(bad: object) -> str:
    """The sentence about the bad entry; a good one beside it must count all the same."""
    found = read(bad, entry("ES256", "good"))
    assert [key.id for key in found.keys] == ["good"]
    (mistake,) = found.mistakes
    assert mistake.startswith("keys[0]")
    return mistake


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_an_entry_of_each_algorithm_is_read(algorithm: str) -> None:
    (key,) = read(entry(algorithm)).keys
    assert key.algorithm == algorithm
    assert key.mark == verification_key("k", algorithm).mark


@pytest.mark.parametrize("algorithm", ["HS256", "RS256", "ES256", "EdDSA"])
def test_an_entry_without_alg_is_for_the_one_usual_algorithm_of_its_kind(algorithm: str) -> None:
    (key,) = read(entry(algorithm, alg=...)).keys
    assert key.algorithm == algorithm


def test_entries_may_have_no_id() -> None:
    found = read(entry("RS256", kid=...), entry("ES256", kid=...))
    assert [key.id for key in found.keys] == ["", ""]
    assert found.mistakes == ()


@pytest.mark.parametrize("member", ["d", "p", "q", "dp", "dq", "qi", "oth"])
def test_a_private_key_is_left_out_and_named(member: str) -> None:
    mistake = mistake_in(entry("RS256", "leaked", **{member: "AQAB"}))
    assert "private key" in mistake
    assert "'leaked'" in mistake


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (7, "not an object"),
        (entry("ES256", kty=...), "kty"),
        (entry("ES256", kty="DSA"), "kty"),
        (entry("ES256", kty=["EC"]), "kty"),
        (entry("ES256", alg="RS256"), "alg"),
        (entry("RS256", alg="RS512"), "alg"),
        (entry("RS256", alg="none"), "alg"),
        (entry("RS256", alg=["RS256"]), "alg"),
        (entry("HS256", alg="RS256"), "alg"),
        (entry("ES256", crv="P-384"), "crv"),
        (entry("ES256", crv=["P-256"]), "crv"),
        (entry("EdDSA", crv="Ed448"), "crv"),
        (entry("RS256", use="enc"), "not for verifying"),
        (entry("RS256", key_ops=["sign"]), "not for verifying"),
        (entry("RS256", key_ops="verify"), "not for verifying"),
        (entry("RS256", n=...), "n is not"),
        (entry("RS256", n="AAAA=="), "n is not"),
        (entry("RS256", e=65537), "e is not"),
        (entry("ES256", x="AAAA"), "not a key"),
        (entry("ES256", y=entry("ES256")["x"]), "not a key"),
        (entry("EdDSA", x="AAAA"), "not a key"),
        (entry("HS256", k="c2hvcnQ"), "5 bytes"),
        (entry("HS256", k=""), "k is not"),
        (entry("HS256", kid=7), "kid is not text"),
    ],
)
def test_an_entry_that_cannot_be_used_is_left_out_and_named(bad: object, said: str) -> None:
    assert said in mistake_in(bad)


def test_a_small_rsa_key_is_left_out() -> None:
    small = rsa.generate_private_key(public_exponent=65537, key_size=1024).public_key()
    members = {**jwt.get_algorithm_by_name("RS256").to_jwk(small, as_dict=True)}
    assert "1024 bits" in mistake_in({**members, "kid": "small"})


def test_an_id_that_is_taken_is_left_out() -> None:
    found = read(
        entry("RS256", "k"), entry("ES256", "k"), entry("EdDSA", "fixed"), taken=frozenset({"fixed"})
    )
    assert [key.algorithm for key in found.keys] == ["RS256"]
    assert len(found.mistakes) == 2


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"{}",
        b'{"keys":{}}',
        b'{"keys":[],"keys":[]}',
        b'{"keys":[NaN]}',
        b"\xff",
        b'{"keys":[1,{}]}',
    ],
)
def test_a_document_that_is_no_usable_set_is_a_mistake(raw: bytes) -> None:
    with pytest.raises(KeyMistakeError):
        read_key_set(raw, NOBODY)


def test_an_empty_set_withdraws_every_key() -> None:
    assert read() == KeySet((), ())


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(
    st.sampled_from(ALGORITHMS),
    st.dictionaries(st.sampled_from(["kty", "alg", "crv", "x", "n", "e", "k"]), _JSON),
)
def test_no_entry_whatever_makes_reading_raise(algorithm: str, changed: dict[str, object]) -> None:
    found = read({**entry(algorithm), **changed}, entry("ES256", "good"))
    assert found.keys[-1].id == "good"
