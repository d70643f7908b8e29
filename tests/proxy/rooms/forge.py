"""Tokens made by hand, well-formed or not, and the keys that sign them. No library mends a forgery here."""

from __future__ import annotations

import hmac
import json
from functools import cache
from typing import Final

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from proxy.rooms.canonical import encode_base64url
from proxy.rooms.claims import ClaimRules
from proxy.rooms.keys import VerificationKey, key_from_public, key_from_secret
from proxy.rooms.mint import PrivateKey

NOW_S: Final = 1_800_000_000.0
RULES: Final = ClaimRules(issuer="https://id.example", audience="edge", leeway_s=10)
SECRET: Final = b"a secret of thirty-two bytes, or more"
OTHER_SECRET: Final = b"another secret, just as long as that one"

HEADER: Final[dict[str, object]] = {"alg": "HS256", "typ": "JWT"}
CLAIMS: Final[dict[str, object]] = {
    "iss": "https://id.example",
    "aud": "edge",
    "sub": "42",
    "iat": NOW_S - 60,
    "exp": NOW_S + 60,
}


def private_key(algorithm: str, which: int = 0) -> PrivateKey:
    """A key pair's private half, made once; `which` tells pairs for the same algorithm apart."""
    return _generated(algorithm, which)


@cache
def _generated(algorithm: str, _which: int) -> PrivateKey:
    if algorithm in ("RS256", "PS256"):
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    if algorithm == "ES256":
        return ec.generate_private_key(ec.SECP256R1())
    return ed25519.Ed25519PrivateKey.generate()


def verification_key(key_id: str, algorithm: str, which: int = 0) -> VerificationKey:
    """The public half as a key of the ring; for HS256 the first or the second secret."""
    if algorithm == "HS256":
        return key_from_secret(key_id, OTHER_SECRET if which else SECRET)
    return key_from_public(key_id, algorithm, private_key(algorithm, which).public_key())


def public_pem(algorithm: str) -> bytes:
    return private_key(algorithm).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def signature(signed: bytes, algorithm: str, which: int = 0) -> bytes:
    if algorithm == "HS256":
        return hmac.digest(OTHER_SECRET if which else SECRET, signed, "sha256")
    return jwt.get_algorithm_by_name(algorithm).sign(signed, private_key(algorithm, which))


def as_json(members: dict[str, object]) -> bytes:
    return json.dumps(members, separators=(",", ":")).encode()


def sealed(header: bytes, payload: bytes, algorithm: str = "HS256", which: int = 0) -> bytes:
    """The token of these very bytes, with a signature that holds."""
    signed = encode_base64url(header) + b"." + encode_base64url(payload)
    return signed + b"." + encode_base64url(signature(signed, algorithm, which))


def resealed(signed: bytes) -> bytes:
    """The first two parts as they are, badly spelled ones too, with an HS256 signature that holds."""
    return signed + b"." + encode_base64url(signature(signed, "HS256"))


def token(
    claims: dict[str, object] | None = None,
    header: dict[str, object] | None = None,
    algorithm: str = "HS256",
    which: int = 0,
) -> bytes:
    """A good token, changed by the given members. `algorithm` signs it, whatever `alg` says."""
    members = {**HEADER, "alg": algorithm, **(header or {})}
    return sealed(as_json(members), as_json({**CLAIMS, **(claims or {})}), algorithm, which)
