"""Credentials that the stage's edge accepts: tokens, routing cookies, and what verifies them."""

from __future__ import annotations

import time
from functools import cache
from typing import Final

from lookup.assignment import NO_EPOCH
from proxy.model import Source
from proxy.rooms.claims import ClaimRules
from proxy.rooms.identify import Identify
from proxy.rooms.jwks import TokenKeys
from proxy.rooms.keys import key_from_secret
from proxy.rooms.mint import SigningKey, mint_token
from proxy.rooms.routing_cookie import CookieKey, RoutingCookies
from proxy.rooms.tokens import TokenVerifier

_SECRET: Final = b"a secret for the tests, of more than 32 bytes"
_ISSUER: Final = "https://id.example"
_AUDIENCE: Final = "edge"


def new_routing_cookies() -> RoutingCookies:
    """Signs and verifies the routing cookies of the stage."""
    return RoutingCookies("home_cell", (CookieKey("k1", _SECRET),), 3600, secure=False)


def new_identify(cookies: RoutingCookies) -> Identify:
    """Room 3: bearer token, then the session cookie `session`, then the routing cookie."""
    keys = TokenKeys((key_from_secret("test", _SECRET),), None)
    identify = Identify(
        (Source.BEARER, Source.SESSION_COOKIE, Source.ROUTING_COOKIE),
        TokenVerifier(ClaimRules(_ISSUER, _AUDIENCE, 10), keys),
        "session",
        cookies,
    )
    identify.reload(time.time())
    return identify


@cache
def token(user: int, cell: str = "", epoch: int = NO_EPOCH) -> bytes:
    """A good token for a user, that claims a home when `cell` is given."""
    return mint_token(
        SigningKey("test", "HS256", _SECRET),
        subject=str(user),
        issuer=_ISSUER,
        audience=_AUDIENCE,
        now_s=time.time(),
        lifetime_s=3600,
        cell=cell,
        epoch=epoch,
    ).encode()
