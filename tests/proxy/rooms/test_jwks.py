"""JWK Sets: which entries count, and what happens when their file changes, breaks or goes away."""

from __future__ import annotations

import json
import os
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st

from proxy.rooms.canonical import encode_base64url
from proxy.rooms.jwks import MAX_SET_BYTES, KeySet, TokenKeys, read_key_set
from proxy.rooms.keys import ALGORITHMS, KeyMistakeError
from tests.proxy.rooms.forge import SECRET, private_key, verification_key

NOBODY: frozenset[str] = frozenset()


def entry(algorithm: str, kid: object = "k", **changed: object) -> dict[str, object]:
    """A good JWK, changed; `...` leaves a member out."""
    if algorithm == "HS256":
        members: dict[str, object] = {"kty": "oct", "k": encode_base64url(SECRET).decode()}
    else:
        public = private_key(algorithm).public_key()
        members = {**jwt.get_algorithm_by_name(algorithm).to_jwk(public, as_dict=True)}
        members.pop("key_ops", None)
    members = {**members, "kid": kid, "alg": algorithm, **changed}
    return {name: value for name, value in members.items() if value is not ...}


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


class File:
    """A JWK Set file whose time of change is set by the test, so that no test waits for a clock."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.keys = TokenKeys((verification_key("fixed", "HS256"),), path)
        self.now_s = 0.0

    def put(self, content: bytes) -> None:
        self.path.write_bytes(content)

    def reload(self, later_s: float = 3600.0) -> bool:
        """Looks at the file `later_s` after it was changed."""
        changed_s = self.path.stat().st_ctime if self.path.exists() else 0.0
        return self.keys.reload(changed_s + later_s)

    def ids(self) -> set[str]:
        return {name for name in ("fixed", "a", "b") if self.keys.ring.named(name)}


@pytest.fixture
def file(tmp_path: Path) -> File:
    return File(tmp_path / "jwks.json")


def key_set(*ids: str) -> bytes:
    return json.dumps({"keys": [entry("ES256", kid) for kid in ids]}).encode()


def test_keys_of_the_file_join_the_fixed_ones(file: File) -> None:
    file.put(key_set("a"))
    assert file.reload()
    assert file.ids() == {"fixed", "a"}
    assert file.keys.mistakes == ()


def test_an_unchanged_file_changes_nothing(file: File) -> None:
    file.put(key_set("a"))
    file.reload()
    ring = file.keys.ring
    assert not file.reload()
    assert file.keys.ring is ring


def test_a_changed_file_is_taken_up_and_a_removed_entry_is_withdrawn(file: File) -> None:
    file.put(key_set("a"))
    file.reload()
    file.put(key_set("b"))
    assert file.reload()
    assert file.ids() == {"fixed", "b"}


def test_a_file_put_in_place_of_another_is_taken_up(file: File, tmp_path: Path) -> None:
    file.put(key_set("a"))
    file.reload()
    before = file.path.stat()
    (tmp_path / "new").write_bytes(key_set("b"))
    os.utime(tmp_path / "new", ns=(before.st_atime_ns, before.st_mtime_ns))
    (tmp_path / "new").replace(file.path)
    assert file.reload()
    assert file.ids() == {"fixed", "b"}


def test_a_young_file_is_read_again_even_if_it_looks_unchanged(
    file: File, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.put(key_set("a"))
    frozen = file.path.stat()
    file.reload(later_s=0.5)
    file.put(key_set("b"))
    monkeypatch.setattr(Path, "stat", lambda _: frozen)
    assert file.keys.reload(frozen.st_ctime + 1.0)
    assert file.ids() == {"fixed", "b"}


@pytest.mark.parametrize("content", [b"", b"{", key_set("a", "b")[:-5], key_set("b") + b" " * MAX_SET_BYTES])
def test_a_broken_file_keeps_the_old_keys_and_reports_the_mistake_once(file: File, content: bytes) -> None:
    file.put(key_set("a"))
    file.reload()
    file.put(content)
    assert file.reload()
    assert file.ids() == {"fixed", "a"}
    (mistake,) = file.keys.mistakes
    assert str(file.path) in mistake
    assert not file.reload()
    assert file.keys.mistakes == (mistake,)


def test_a_mended_file_takes_the_mistake_back(file: File) -> None:
    file.put(b"{")
    file.reload()
    file.put(key_set("b"))
    assert file.reload()
    assert file.keys.mistakes == ()
    assert file.ids() == {"fixed", "b"}


def test_a_file_that_goes_away_keeps_the_old_keys_and_is_read_when_it_returns(file: File) -> None:
    file.put(key_set("a"))
    file.reload()
    file.path.unlink()
    assert file.reload()
    assert file.ids() == {"fixed", "a"}
    assert "cannot be read" in file.keys.mistakes[0]
    assert not file.reload()
    file.put(key_set("a"))
    assert file.reload()
    assert file.keys.mistakes == ()


def test_a_bad_entry_is_reported_and_the_good_ones_count(file: File) -> None:
    file.put(json.dumps({"keys": [entry("ES256", "a"), entry("RS256", "b", use="enc")]}).encode())
    assert file.reload()
    assert file.ids() == {"fixed", "a"}
    assert "'b'" in file.keys.mistakes[0]


def test_an_entry_cannot_take_the_place_of_a_fixed_key(file: File) -> None:
    file.put(key_set("fixed", "a"))
    file.reload()
    fixed = file.keys.ring.named("fixed")
    assert fixed is not None
    assert fixed.algorithm == "HS256"
    assert "another key's" in file.keys.mistakes[0]


def test_without_a_file_there_is_nothing_to_reload() -> None:
    keys = TokenKeys((verification_key("fixed", "HS256"),), None)
    assert not keys.reload(0.0)
    assert keys.ring.named("fixed")
