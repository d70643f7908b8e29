"""An edge's Identify with one key and a clock that the test sets, and credentials to show it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from proxy.errors import INVALID_CREDENTIAL, Problem, Refusal
from proxy.model import Source
from proxy.rooms.faults import Fault
from proxy.rooms.identify import Identify
from proxy.rooms.identity import Identity
from proxy.rooms.jwks import TokenKeys
from proxy.rooms.routing_cookie import CookieKey, RoutingCookies
from proxy.rooms.tokens import TokenVerifier, VerifiedToken
from tests.proxy.rooms.forge import NOW_S, RULES, SECRET, token, verification_key

COOKIES: Final = RoutingCookies("home_cell", (CookieKey("c1", SECRET),), lifetime_s=3600, secure=False)
USUAL: Final = (Source.BEARER, Source.SESSION_COOKIE, Source.ROUTING_COOKIE)


class CountingVerifier(TokenVerifier):
    """The real verifier, counting how often it is asked."""

    asked = 0

    def verify(self, token: bytes, now_s: float) -> VerifiedToken | Fault:
        self.asked += 1
        return super().verify(token, now_s)


class Edge:
    """Identify with one HS256 key, and a clock that the test sets."""

    def __init__(
        self, order: tuple[Source, ...] = USUAL, file: Path | None = None, remembered_bytes: int = 1 << 20
    ) -> None:
        self.verifier = CountingVerifier(RULES, TokenKeys((verification_key("fixed", "HS256"),), file))
        self.identify = Identify(order, self.verifier, "session", COOKIES, remembered_bytes)
        self.now_s = NOW_S

    def ask(self, authorization: bytes = b"", cookie: bytes = b"") -> Identity | Refusal:
        return self.identify.identify(authorization, cookie, self.now_s)

    def identity(self, authorization: bytes = b"", cookie: bytes = b"") -> Identity:
        found = self.ask(authorization, cookie)
        assert isinstance(found, Identity), found
        return found

    def refusal(self, authorization: bytes = b"", cookie: bytes = b"") -> tuple[Problem, str]:
        found = self.ask(authorization, cookie)
        assert isinstance(found, Refusal)
        return found.problem, found.detail

    def fault(self, authorization: bytes = b"", cookie: bytes = b"") -> str:
        problem, detail = self.refusal(authorization, cookie)
        assert problem is INVALID_CREDENTIAL
        return detail


def bearer(credential: bytes | None = None) -> bytes:
    return b"Bearer " + (token() if credential is None else credential)


def session(credential: bytes | None = None) -> bytes:
    return b"session=" + (token() if credential is None else credential)


def routing(
    key: str = "user:42", epoch: int = 7, cell: str = "eu-west-1-cell-01", now_s: float = NOW_S
) -> bytes:
    return COOKIES.set_cookie(key, cell, epoch, now_s).partition(b";")[0]


def forged(pair: bytes) -> bytes:
    return pair[:-2] + (b"AA" if pair[-2:] != b"AA" else b"BA")
