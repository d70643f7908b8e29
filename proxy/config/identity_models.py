"""The shape of what says who asks: claims, keys that verify tokens, and the edge's own cookie."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from proxy.config.section import Section
from proxy.config.values import (
    CookieKeyId,
    FilePath,
    Seconds,
    SecondsOrZero,
    Text,
    TokenText,
)

IdentitySource = Literal["bearer", "session_cookie", "routing_cookie"]
Algorithm = Literal["HS256", "RS256", "PS256", "ES256", "EdDSA"]


class Claims(Section):
    """Which claims of a verified token are read."""

    user: Text = Field(
        default="sub", description="Who the user is. Default: the registered claim for it (RFC 7519)."
    )
    cell: Text = Field(
        default="home_cell",
        description="Name of the user's home cell, optional in a token; it saves the lookup.",
    )
    epoch: Text = Field(
        default="home_epoch",
        description="Epoch of that home, optional in a token; it shows a claim older than a move.",
    )


class TokenKey(Section):
    """A key that verifies tokens, for exactly one algorithm."""

    id: TokenText = Field(description="What a token's `kid` selects.")
    algorithm: Algorithm = Field(
        description="The one algorithm that this key is for; a token cannot choose another."
    )
    secret_file: FilePath | None = Field(
        default=None,
        description="For HS256: file with the shared secret, at least 32 bytes. One newline at its end is "
        "dropped.",
    )
    public_key_file: FilePath | None = Field(
        default=None, description="For the others: PEM file with the public key."
    )


class Identity(Section):
    """How a request says whose it is."""

    order: tuple[IdentitySource, ...] = Field(
        default=("bearer", "session_cookie", "routing_cookie"),
        min_length=1,
        description="Where a credential is looked for; the first one present decides, but a session cookie "
        "that is "
        "not valid gives way to the next. Default: what a program sends on purpose before what a browser "
        "sends by "
        "itself.",
    )
    session_cookie: TokenText = Field(default="session", description="Name of the cookie that holds a JWT.")
    claims: Claims = Field(default_factory=lambda: Claims())
    issuer: Text = Field(description="The `iss` that a token must have, compared exactly.")
    audience: Text = Field(description="The `aud` that a token must have (or have among several).")
    leeway_s: SecondsOrZero = Field(
        default=10,
        description="Clock difference allowed for `exp` and `nbf`. Default: well above the drift of "
        "synchronised clocks.",
    )
    keys: tuple[TokenKey, ...] = Field(default=(), description="Keys named here, one file each.")
    jwks_file: FilePath | None = Field(
        default=None,
        description="JWK Set with further keys, read again when it changes, so that keys rotate without a "
        "restart. When it can't be used, the last good keys stay in force, and each worker logs what is "
        "wrong; to start an edge it must be good.",
    )


class CookieKey(Section):
    """A secret that signs and verifies the edge's own cookie."""

    id: CookieKeyId = Field(description="Name of the key inside the cookie, so that keys can be rotated.")
    secret_file: FilePath = Field(
        description="File with the secret, at least 32 bytes. One newline at its end is dropped."
    )


class RoutingCookie(Section):
    """The edge's own signed cookie, issued after a lookup, so that the next request needs none."""

    name: TokenText = Field(default="home_cell", description="Name of the cookie.")
    lifetime_s: Seconds = Field(
        default=3600,
        description="How long a cookie is accepted. Default: one hour, so that a forgotten move heals "
        "within it.",
    )
    keys: tuple[CookieKey, ...] = Field(
        min_length=1,
        description="The first key signs, all verify. To rotate: add the new one last on every edge, then "
        "move it first, and drop the old one after `lifetime_s`.",
    )
