"""Keys: one algorithm each, and nothing weak, private or of the wrong kind."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from proxy.rooms.keys import (
    ALGORITHMS,
    KeyMistakeError,
    KeyRing,
    key_from_public,
    key_from_secret,
    load_key,
    secret_in_file,
)
from tests.proxy.rooms.forge import OTHER_SECRET, SECRET, private_key, public_pem, signature, verification_key


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_key_verifies_what_its_counterpart_signed_and_nothing_else(algorithm: str) -> None:
    key = verification_key("k", algorithm)
    good = signature(b"text", algorithm)
    assert key.verifies(b"text", good)
    assert not key.verifies(b"other text", good)
    assert not key.verifies(b"text", signature(b"text", algorithm, which=1))
    assert not key.verifies(b"text", b"")
    assert not key.verifies(b"text", good + b"\0")


def test_a_short_secret_is_refused() -> None:
    assert key_from_secret("k", b"x" * 32).algorithm == "HS256"
    with pytest.raises(KeyMistakeError, match="31 bytes"):
        key_from_secret("k", b"x" * 31)


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_a_public_key_is_refused_as_a_secret(algorithm: str) -> None:
    with pytest.raises(KeyMistakeError, match="random bytes"):
        key_from_secret("k", public_pem(algorithm))


@pytest.mark.parametrize("algorithm", ["RS256", "PS256"])
def test_a_small_rsa_key_is_refused(algorithm: str) -> None:
    small = rsa.generate_private_key(public_exponent=65537, key_size=1024).public_key()
    with pytest.raises(KeyMistakeError, match="1024 bits"):
        key_from_public("k", algorithm, small)


def test_a_key_on_another_curve_is_refused() -> None:
    with pytest.raises(KeyMistakeError, match="P-256"):
        key_from_public("k", "ES256", ec.generate_private_key(ec.SECP384R1()).public_key())
    with pytest.raises(KeyMistakeError, match="EdDSA"):
        key_from_public("k", "EdDSA", ed448.Ed448PrivateKey.generate().public_key())


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA", "HS256", "RS512", "none"])
def test_a_key_of_another_kind_than_its_algorithm_is_refused(algorithm: str) -> None:
    for other in ("RS256", "ES256", "EdDSA"):
        if other != algorithm:
            with pytest.raises(KeyMistakeError, match=algorithm):
                key_from_public("k", algorithm, private_key(other).public_key())


def test_keys_differ_by_id_by_algorithm_and_by_material() -> None:
    marks = {
        verification_key(key_id, algorithm, which).mark
        for key_id in ("a", "b")
        for algorithm in ALGORITHMS
        for which in (0, 1)
    }
    assert len(marks) == 2 * len(ALGORITHMS) * 2
    assert verification_key("a", "HS256").mark == verification_key("a", "HS256").mark


def test_a_ring_finds_keys_by_id_and_by_algorithm_in_order() -> None:
    first, second = verification_key("1", "HS256"), verification_key("2", "HS256", which=1)
    unnamed = verification_key("", "ES256")
    ring = KeyRing((first, second, unnamed))
    assert ring.named("2") is second
    assert ring.named("3") is None
    assert ring.named("") is None
    assert ring.for_algorithm("HS256") == (first, second)
    assert ring.for_algorithm("ES256") == (unnamed,)
    assert ring.for_algorithm("none") == ()
    assert ring.marks == {first.mark, second.mark, unnamed.mark}


def test_two_keys_with_one_id_are_a_mistake() -> None:
    with pytest.raises(KeyMistakeError, match="share an id"):
        KeyRing((verification_key("k", "HS256"), verification_key("k", "ES256")))


@pytest.mark.parametrize("ending", [b"", b"\n", b"\r\n"])
def test_a_text_secret_is_read_without_its_line_end(tmp_path: Path, ending: bytes) -> None:
    file = tmp_path / "secret"
    file.write_bytes(SECRET + ending)
    assert load_key("k", "HS256", file).mark == verification_key("k", "HS256").mark


def test_only_one_line_end_is_dropped_and_a_binary_secret_is_kept_whole() -> None:
    binary = bytes(range(200, 240))
    assert secret_in_file(binary) == binary
    for doubtful in (binary + b"\n", SECRET + b"\n\n", b"two\nlines\n"):
        with pytest.raises(KeyMistakeError, match="line end"):
            secret_in_file(doubtful)


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256", "EdDSA"])
def test_a_public_key_file_is_read(tmp_path: Path, algorithm: str) -> None:
    file = tmp_path / "key.pem"
    file.write_bytes(public_pem(algorithm))
    assert load_key("k", algorithm, file).mark == verification_key("k", algorithm).mark


def test_a_private_key_file_is_refused_and_named_without_its_content(tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    file.write_bytes(private_key("RS256").private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(KeyMistakeError, match="private key") as caught:
        load_key("k", "RS256", file)
    assert str(file) in str(caught.value)
    assert "BEGIN" not in str(caught.value)


def test_mistakes_in_a_secret_file_do_not_quote_the_secret(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_bytes(OTHER_SECRET[:20])
    with pytest.raises(KeyMistakeError) as caught:
        load_key("k", "HS256", file)
    assert "another" not in str(caught.value)


@pytest.mark.parametrize(
    "content", [b"", b"not a key", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"]
)
def test_a_file_that_holds_no_key_is_a_mistake(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "key.pem"
    file.write_bytes(content)
    with pytest.raises(KeyMistakeError, match="PEM public key"):
        load_key("k", "RS256", file)


def test_a_missing_file_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(KeyMistakeError, match="cannot be read"):
        load_key("k", "HS256", tmp_path / "nothing")
