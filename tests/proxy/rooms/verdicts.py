"""Verdicts on tokens, by a verifier that knows one key for each algorithm unless told other keys."""

from __future__ import annotations

from proxy.rooms.faults import Fault
from proxy.rooms.jwks import TokenKeys
from proxy.rooms.keys import ALGORITHMS, VerificationKey
from proxy.rooms.tokens import TokenVerifier, VerifiedToken
from tests.proxy.rooms.forge import NOW_S, RULES, verification_key

ONE_OF_EACH = tuple(verification_key(f"k-{algorithm}", algorithm) for algorithm in ALGORITHMS)


def verdict(credential: bytes, *keys: VerificationKey) -> VerifiedToken | Fault:
    return TokenVerifier(RULES, TokenKeys(keys or ONE_OF_EACH, None)).verify(credential, NOW_S)


def user_of(credential: bytes, *keys: VerificationKey) -> str:
    verified = verdict(credential, *keys)
    assert isinstance(verified, VerifiedToken), verified
    return verified.claims.key
