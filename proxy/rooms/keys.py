"""Keys that verify tokens: built from secrets, PEM and JWK material, each for exactly one algorithm.

An algorithm is a property of the key (RFC 8725, section 3.1). What is too weak, private or of the wrong
kind is refused here, so that nothing of it can be met while a request waits.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Final, NewType

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

KeyMark = NewType("KeyMark", bytes)
"""Tells one key from every other: a digest of its id, its algorithm and its material."""

ALGORITHMS: Final = ("HS256", "RS256", "PS256", "ES256", "EdDSA")
MIN_SECRET_BYTES: Final = 32
MIN_RSA_BITS: Final = 2048
_NO_SECRET: Final = "the secret is a PEM, DER, SSH or JWK key; HS256 needs random bytes"


class KeyMistakeError(Exception):
    """A key that cannot be used. The text says what is wrong and the mend, and never holds key material."""


class VerificationKey:
    """One key and the one algorithm it is for. A token's `kid` selects it by `id`; "" is none."""

    __slots__ = ("_algorithm", "_material", "algorithm", "id", "mark")

    def __init__(self, key_id: str, algorithm: str, material: object, public_form: bytes) -> None:
        self.id = key_id
        self.algorithm = algorithm
        self.mark = KeyMark(sha256(b"\0".join((key_id.encode(), algorithm.encode(), public_form))).digest())
        self._material = material
        self._algorithm = jwt.get_algorithm_by_name(algorithm)

    def verifies(self, signed: bytes, signature: bytes) -> bool:
        """Whether `signature` over `signed` was made with this key's counterpart, by this key's algorithm."""
        return self._algorithm.verify(signed, self._material, signature)


class KeyRing:
    """An immutable set of keys, found by id or algorithm. Raises KeyMistakeError when two share an id."""

    __slots__ = ("_by_algorithm", "_by_id", "marks")

    def __init__(self, keys: Iterable[VerificationKey]) -> None:
        ordered = tuple(keys)
        self._by_id = {key.id: key for key in ordered if key.id}
        if len(self._by_id) != sum(1 for key in ordered if key.id):
            raise KeyMistakeError("two keys share an id; give each its own")
        self._by_algorithm = {
            name: tuple(key for key in ordered if key.algorithm == name) for name in ALGORITHMS
        }
        self.marks = frozenset(key.mark for key in ordered)

    def named(self, key_id: str) -> VerificationKey | None:
        """The key whose id is `key_id`."""
        return self._by_id.get(key_id)

    def for_algorithm(self, algorithm: str) -> tuple[VerificationKey, ...]:
        """The keys that are for `algorithm`, in configured order; none when it is not one of ours."""
        return self._by_algorithm.get(algorithm, ())


def key_from_secret(key_id: str, secret: bytes) -> VerificationKey:
    """An HS256 key. Raises KeyMistakeError for a short secret or one that is really a public key or a JWK."""
    if len(secret) < MIN_SECRET_BYTES:
        raise KeyMistakeError(f"the secret has {len(secret)} bytes; HS256 needs at least {MIN_SECRET_BYTES}")
    try:
        material = jwt.get_algorithm_by_name("HS256").prepare_key(secret)
    except jwt.InvalidKeyError as error:
        raise KeyMistakeError(_NO_SECRET) from error
    return VerificationKey(key_id, "HS256", material, sha256(secret).digest())


def key_from_public(key_id: str, algorithm: str, public: object) -> VerificationKey:
    """A key for a public-key algorithm. Raises KeyMistakeError when it is of another kind or too small."""
    if algorithm in ("RS256", "PS256") and isinstance(public, RSAPublicKey):
        if public.key_size < MIN_RSA_BITS:
            raise KeyMistakeError(f"the RSA key has {public.key_size} bits; {MIN_RSA_BITS} are needed")
        return VerificationKey(key_id, algorithm, public, _der(public))
    if algorithm == "ES256" and isinstance(public, EllipticCurvePublicKey):
        if not isinstance(public.curve, SECP256R1):
            raise KeyMistakeError(f"the key is on the curve {public.curve.name}; ES256 needs P-256")
        return VerificationKey(key_id, algorithm, public, _der(public))
    if algorithm == "EdDSA" and isinstance(public, Ed25519PublicKey):
        return VerificationKey(key_id, algorithm, public, _der(public))
    raise KeyMistakeError(f"the key is not of the kind that {algorithm} needs")


def load_key(key_id: str, algorithm: str, path: Path) -> VerificationKey:
    """The key in a file: the secret for HS256, a PEM public key for the others. Raises KeyMistakeError."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise KeyMistakeError(f"{path}: cannot be read ({error.strerror})") from error
    try:
        if algorithm == "HS256":
            return key_from_secret(key_id, secret_in_file(raw))
        return key_from_public(key_id, algorithm, _public_key_in(raw))
    except KeyMistakeError as error:
        raise KeyMistakeError(f"{path}: {error}") from error


def secret_in_file(raw: bytes) -> bytes:
    """The secret that a file holds: its bytes, less the line end that editors and `echo` put after a text.

    Bytes that are not text and end like a line could mean either, so they are refused rather than guessed.
    """
    if b"-----BEGIN " in raw:
        raise KeyMistakeError(_NO_SECRET)
    secret = raw.removesuffix(b"\n").removesuffix(b"\r")
    if secret != raw and not (secret.isascii() and secret.decode().isprintable()):
        raise KeyMistakeError(
            "the secret is not one line of text, and ends with a line end; write it as one, or without that"
        )
    return secret


def _public_key_in(pem: bytes) -> object:
    if b"PRIVATE KEY-----" in pem:
        raise KeyMistakeError("the file holds a private key; an edge needs only the public one")
    try:
        return load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeyMistakeError("the file is not a PEM public key (-----BEGIN PUBLIC KEY-----)") from error


def _der(public: RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey) -> bytes:
    return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
