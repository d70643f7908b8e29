"""Verifies a JSON Web Token (RFC 7519, RFC 8725): its form first, then its signature, then its claims.

PyJWT's algorithms check the signature. Everything before that is read here, more strictly than PyJWT does:
it takes padded parts, repeated members and tokens of megabytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from proxy.rooms.canonical import decode_base64url, read_object
from proxy.rooms.claims import ClaimRules, Claims, read_claims
from proxy.rooms.faults import Fault
from proxy.rooms.jwks import TokenKeys
from proxy.rooms.keys import KeyMark, KeyRing, VerificationKey

MAX_TOKEN_BYTES: Final = 8192
MAX_KEYS_TRIED: Final = 4
"""For a token that names no key. Trying costs up to 0.1 ms a key, and anybody can ask for it."""

_TYPES: Final = ("jwt", "at+jwt")


@dataclass(slots=True)
class VerifiedToken:
    """An accepted token: what it claims, and which key vouches for it."""

    claims: Claims
    mark: KeyMark


class TokenVerifier:
    """Checks tokens against the keys in force. Pure but for those keys; verifying blocks for 10 to 100 µs."""

    def __init__(self, rules: ClaimRules, keys: TokenKeys) -> None:
        self._rules = rules
        self.keys = keys

    def verify(self, token: bytes, now_s: float) -> VerifiedToken | Fault:
        """The token's meaning, or the first thing that is wrong with it. Never raises, whatever the bytes."""
        if not token:
            return Fault.TOKEN_EMPTY
        if len(token) > MAX_TOKEN_BYTES:
            return Fault.TOKEN_TOO_LONG
        if not token.isascii():
            return Fault.TOKEN_ENCODING
        parts = token.split(b".", 3)
        if len(parts) != 3:
            return Fault.TOKEN_PARTS
        header, payload, signature = (decode_base64url(part) for part in parts)
        if header is None or payload is None or signature is None:
            return Fault.TOKEN_ENCODING
        candidates = _candidates(header, self.keys.ring)
        if isinstance(candidates, Fault):
            return candidates
        signed = token[: token.rindex(b".")]
        for key in candidates:
            if key.verifies(signed, signature):
                return self._accept(payload, key, now_s)
        return Fault.TOKEN_SIGNATURE

    def _accept(self, payload: bytes, key: VerificationKey, now_s: float) -> VerifiedToken | Fault:
        members = read_object(payload)
        if members is None:
            return Fault.TOKEN_CLAIMS
        claims = read_claims(members, self._rules, now_s)
        return claims if isinstance(claims, Fault) else VerifiedToken(claims, key.mark)


def _candidates(raw_header: bytes, ring: KeyRing) -> tuple[VerificationKey, ...] | Fault:
    """The keys that may have signed. `alg` only narrows them: each verifies by its own algorithm."""
    header = read_object(raw_header)
    if header is None:
        return Fault.TOKEN_HEADER
    if "crit" in header or "b64" in header:
        return Fault.TOKEN_EXTENSION
    if "typ" in header and not _is_accepted_type(header["typ"]):
        return Fault.TOKEN_TYPE
    algorithm = header.get("alg")
    if not isinstance(algorithm, str):
        return Fault.TOKEN_ALGORITHM
    if "kid" not in header:
        return ring.for_algorithm(algorithm)[:MAX_KEYS_TRIED] or Fault.TOKEN_ALGORITHM
    key_id = header["kid"]
    if not isinstance(key_id, str):
        return Fault.TOKEN_KEY_ID
    key = ring.named(key_id)
    if key is None:
        return Fault.TOKEN_KEY_UNKNOWN
    return (key,) if key.algorithm == algorithm else Fault.TOKEN_ALGORITHM


def _is_accepted_type(claimed: object) -> bool:
    """RFC 8725, section 3.11: a logout or DPoP token is signed by the same issuer and is no credential."""
    return isinstance(claimed, str) and claimed.lower().removeprefix("application/") in _TYPES
