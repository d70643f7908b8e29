"""Makes keys and tokens for demos and tests. The proxy itself never signs a token.

The folder of demo keys holds, for each algorithm, what an identity provider would keep (private, mode 0600)
and what an edge is given: `hs256.secret`, `rs256.pub.pem`, and `jwks.json` with the ES256 and EdDSA keys.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as generate_ec_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from lookup.assignment import NO_EPOCH
from proxy.rooms.keys import ALGORITHMS, KeyMistakeError, key_from_public, key_from_secret, secret_in_file

PrivateKey = RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey

DEMO_KEYS: Final = {
    "HS256": ("demo-hs256", "hs256.secret"),
    "RS256": ("demo-rs256", "rs256.key.pem"),
    "ES256": ("demo-es256", "es256.key.pem"),
    "EdDSA": ("demo-eddsa", "eddsa.key.pem"),
}
"""By algorithm: the key's id, and the file in the demo folder that signs with it."""

COOKIE_SECRET: Final = "cookie-1.secret"
KEY_SET: Final = "jwks.json"
RSA_PUBLIC: Final = "rs256.pub.pem"


@dataclass(frozen=True, slots=True)
class SigningKey:
    """What signs a token: `key_id` goes into its header unless it is ""."""

    key_id: str
    algorithm: str
    material: bytes | PrivateKey = field(repr=False)


def load_signing_key(key_id: str, algorithm: str, path: Path) -> SigningKey:
    """The secret or PEM private key in a file. Raises KeyMistakeError, also for what no edge takes."""
    if algorithm not in ALGORITHMS:
        raise KeyMistakeError(f"algorithm {algorithm!r} is none of {', '.join(ALGORITHMS)}")
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise KeyMistakeError(f"{path}: cannot be read ({error.strerror})") from error
    if algorithm == "HS256":
        secret = secret_in_file(raw)
        key_from_secret(key_id, secret)
        return SigningKey(key_id, algorithm, secret)
    try:
        private = load_pem_private_key(raw, password=None)
    except (ValueError, TypeError) as error:
        raise KeyMistakeError(f"{path}: not an unencrypted PEM private key") from error
    key_from_public(key_id, algorithm, private.public_key())
    if not isinstance(private, (RSAPrivateKey, EllipticCurvePrivateKey, Ed25519PrivateKey)):
        raise KeyMistakeError(f"{path}: the key is not of the kind that {algorithm} needs")
    return SigningKey(key_id, algorithm, private)


def mint_token(
    key: SigningKey,
    *,
    subject: str,
    issuer: str,
    audience: str,
    now_s: float,
    lifetime_s: int,
    cell: str = "",
    epoch: int = NO_EPOCH,
    user_claim: str = "sub",
    cell_claim: str = "home_cell",
    epoch_claim: str = "home_epoch",
) -> str:
    """A token for `subject`; it claims a home when `cell` is given."""
    issued_s = int(now_s)
    claims: dict[str, object] = {
        "iss": issuer,
        "aud": audience,
        user_claim: subject,
        "iat": issued_s,
        "exp": issued_s + lifetime_s,
    }
    if cell:
        claims[cell_claim] = cell
        if epoch != NO_EPOCH:
            claims[epoch_claim] = epoch
    headers = {"kid": key.key_id} if key.key_id else None
    return jwt.encode(claims, key.material, algorithm=key.algorithm, headers=headers)


def write_demo_keys(folder: Path) -> None:
    """Makes the demo's keys in `folder`. Secrets that are there stay, so that issued tokens stay valid."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in (DEMO_KEYS["HS256"][1], COOKIE_SECRET):
        _write_secret(folder / name, lambda: secrets.token_urlsafe(48).encode())
    rsa = _private_key(folder, "RS256", lambda: generate_rsa_key(public_exponent=65537, key_size=2048))
    _replace(
        folder / RSA_PUBLIC,
        rsa.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
    )
    ec = _private_key(folder, "ES256", lambda: generate_ec_key(SECP256R1()))
    ed = _private_key(folder, "EdDSA", Ed25519PrivateKey.generate)
    document = {"keys": [_public_jwk("ES256", ec), _public_jwk("EdDSA", ed)]}
    _replace(folder / KEY_SET, json.dumps(document, indent=2).encode() + b"\n")


def _private_key(folder: Path, algorithm: str, generate: Callable[[], PrivateKey]) -> PrivateKey:
    key_id, name = DEMO_KEYS[algorithm]
    _write_secret(
        folder / name,
        lambda: generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    )
    material = load_signing_key(key_id, algorithm, folder / name).material
    assert not isinstance(material, bytes)
    return material


def _public_jwk(algorithm: str, private: PrivateKey) -> dict[str, object]:
    public = jwt.get_algorithm_by_name(algorithm).to_jwk(private.public_key(), as_dict=True)
    return {**public, "kid": DEMO_KEYS[algorithm][0], "alg": algorithm, "use": "sig"}


def _write_secret(path: Path, make: Callable[[], bytes]) -> None:
    """Creates the file readable by its owner only, never a moment wider; leaves one that exists alone."""
    if path.exists():
        return
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
        stream.write(make())


def _replace(path: Path, content: bytes) -> None:
    """In one step, so that a running edge never reads half of it."""
    written = path.with_name(path.name + ".new")
    written.write_bytes(content)
    written.replace(path)
