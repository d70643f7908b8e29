"""Who a request is from, as the later rooms see it. HOT: made once per credential, read by each request."""

from __future__ import annotations

from lookup.resolution import Hint
from proxy.model import Source


class Identity:
    """The user behind a request. Shared by requests with the same credential: read it, never change it.

    key           routing key, e.g. `user:42`
    hint          the home that the credentials claim, None when they claim none
    expires_at_s  Unix seconds from which the credential is no longer valid (leeway included)
    holds_cookie  a valid routing cookie for this key was presented: when its home is overruled, replace it
    wants_cookie  none was, and the client keeps cookies: after a lookup, issue one
    """

    __slots__ = ("expires_at_s", "hint", "holds_cookie", "key", "source", "wants_cookie")

    def __init__(
        self,
        key: str,
        source: Source,
        hint: Hint | None,
        expires_at_s: float,
        holds_cookie: bool,
        wants_cookie: bool,
    ) -> None:
        self.key = key
        self.source = source
        self.hint = hint
        self.expires_at_s = expires_at_s
        self.holds_cookie = holds_cookie
        self.wants_cookie = wants_cookie
