"""Finds out who a request is from: its Authorization and Cookie fields give an Identity or a refusal. HOT.

A returning credential costs one dict look-up and a comparison of dates; a new one is verified and remembered.

Which credential counts:
- Sources are asked in the configured order; the first that is present and valid decides.
- A bearer token that is present and not valid ends it with 401. A client that shows a token means it.
- A session cookie that is not valid gives way to the next source: browsers carry dead sessions for days, and
  a routing cookie alone would have been enough anyway. Sent twice with different values it ends it with 401,
  because the edge and the cell could each believe another user.
- A routing cookie is also a note beside another credential. It counts only for the same user; a wrong,
  expired or ambiguous one is then ignored and replaced. Alone, it ends it with 401.
"""

from __future__ import annotations

from typing import Final

from lookup.resolution import Hint
from proxy.errors import INVALID_CREDENTIAL, NO_CREDENTIAL, Refusal
from proxy.model import Source
from proxy.rooms.cookies import AMBIGUOUS, find_pair
from proxy.rooms.faults import Fault
from proxy.rooms.identity import Identity
from proxy.rooms.jwks import TokenKeys
from proxy.rooms.keys import KeyMark
from proxy.rooms.routing_cookie import RoutingCookies
from proxy.rooms.tokens import TokenVerifier
from proxy.rooms.verified import Verified, VerifiedCredentials

REMEMBERED_BYTES: Final = 64 << 20
"""For tokens and for cookies each, per worker: about 60,000 tokens of 600 bytes."""

_BEARER: Final = b"Bearer "
_NO_KEY: Final = KeyMark(b"")  # of routing cookies: their keys change only with the configuration


class Identify:
    """Room 3 of a request's life. One per worker; `reload` is called now and then, off the hot path."""

    def __init__(
        self,
        order: tuple[Source, ...],
        verifier: TokenVerifier,
        session_cookie: str,
        routing_cookies: RoutingCookies,
        remembered_bytes: int = REMEMBERED_BYTES,
    ) -> None:
        if session_cookie == routing_cookies.name:
            raise ValueError(
                f"session and routing cookie are both named {session_cookie!r}; give each its own name"
            )
        self._order = order
        self._bearer_first = order[:1] == (Source.BEARER,)
        self._verifier = verifier
        self._routing_cookies = routing_cookies
        self._session_equals = session_cookie.encode() + b"="
        self._routing_equals = routing_cookies.name.encode() + b"="
        self._tokens = VerifiedCredentials(remembered_bytes)
        self._pairs = VerifiedCredentials(remembered_bytes)

    def identify(self, authorization: bytes, cookie: bytes, now_s: float) -> Identity | Refusal:
        """Who the request is from. b"" is an absent field; several Cookie fields come joined by "; "."""
        if self._bearer_first:
            entry = self._tokens.by_proof.get(authorization)
            if entry is not None and entry.not_before_s <= now_s < entry.expires_at_s:
                entry.in_use = True
                return self._with_routing_cookie(entry, cookie, now_s) if cookie else entry
        return self._by_order(authorization, cookie, now_s)

    @property
    def token_keys(self) -> TokenKeys:
        """The keys that tokens are checked against."""
        return self._verifier.keys

    def reload(self, now_s: float) -> bool:
        """Takes up changed keys and forgets what a withdrawn one vouched for. True: something changed.

        Call it once before serving, then every few seconds. It blocks for one stat, and for one small read
        when the key file changed.
        """
        keys = self._verifier.keys
        before = keys.ring
        changed = keys.reload(now_s)
        if keys.ring is not before:
            marks = keys.ring.marks | {_NO_KEY}
            self._tokens.drop_unless(marks)
            self._pairs.drop_unless(marks)
        return changed

    def _by_order(self, authorization: bytes, cookie: bytes, now_s: float) -> Identity | Refusal:
        refused: Fault | None = None
        for source in self._order:
            found = self._from_source(source, authorization, cookie, now_s)
            if isinstance(found, Identity):
                if source is Source.ROUTING_COOKIE:
                    return found
                return self._with_routing_cookie(found, cookie, now_s)
            if found is not None:
                refused = refused or found
                if source is not Source.SESSION_COOKIE or found is Fault.SESSION_AMBIGUOUS:
                    break
        if refused is None:
            return Refusal(NO_CREDENTIAL, "Send a bearer token or a session cookie")
        return Refusal(INVALID_CREDENTIAL, refused.value)

    def _from_source(
        self, source: Source, authorization: bytes, cookie: bytes, now_s: float
    ) -> Identity | Fault | None:
        """None when the source is absent from the request."""
        if source is Source.BEARER:
            return self._from_bearer(authorization, now_s)
        if source is Source.SESSION_COOKIE:
            pair = find_pair(cookie, self._session_equals)
            if pair == AMBIGUOUS:
                return Fault.SESSION_AMBIGUOUS
            return None if pair is None else self._from_session(pair, now_s)
        pair = find_pair(cookie, self._routing_equals)
        return None if pair is None else self._from_routing_cookie(pair, now_s)

    def _from_bearer(self, authorization: bytes, now_s: float) -> Identity | Fault | None:
        """RFC 6750, section 2.1: the scheme in any case, spaces, the token. Other schemes are the cell's."""
        if authorization[:6].lower() != b"bearer":
            return None
        token = authorization[6:]
        if token and not token.startswith(b" "):
            return Fault.TOKEN_ENCODING
        token = token.lstrip(b" ")
        return self._from_token(self._tokens, _BEARER + token, token, Source.BEARER, now_s)

    def _from_session(self, pair: bytes, now_s: float) -> Identity | Fault:
        token = pair[len(self._session_equals) :]
        return self._from_token(self._pairs, pair, token, Source.SESSION_COOKIE, now_s)

    def _from_token(
        self, remembered: VerifiedCredentials, proof: bytes, token: bytes, source: Source, now_s: float
    ) -> Identity | Fault:
        entry = remembered.find(proof)
        if entry is not None:
            if now_s >= entry.expires_at_s:
                return Fault.TOKEN_EXPIRED
            return Fault.TOKEN_NOT_YET if now_s < entry.not_before_s else entry
        verified = self._verifier.verify(token, now_s)
        if isinstance(verified, Fault):
            return verified
        claims = verified.claims
        entry = Verified(
            claims.key, source, claims.hint, claims.not_before_s, claims.expires_at_s, proof, verified.mark
        )
        remembered.keep(entry)
        return entry

    def _from_routing_cookie(self, pair: bytes, now_s: float) -> Identity | Fault:
        if pair == AMBIGUOUS:
            return Fault.COOKIE_AMBIGUOUS
        entry = self._pairs.find(pair)
        if entry is not None:
            return entry if now_s < entry.expires_at_s else Fault.COOKIE_EXPIRED
        claim = self._routing_cookies.verify(pair[len(self._routing_equals) :], now_s)
        if isinstance(claim, Fault):
            return claim
        entry = Verified(claim.key, Source.ROUTING_COOKIE, claim.hint, 0.0, claim.expires_at_s, pair, _NO_KEY)
        self._pairs.keep(entry)
        return entry

    def _with_routing_cookie(self, identity: Identity, cookie: bytes, now_s: float) -> Identity:
        """The identity, with what a routing cookie of the same user adds: the later of two homes counts."""
        pair = find_pair(cookie, self._routing_equals)
        if pair is None:
            return identity
        noted = self._from_routing_cookie(pair, now_s)
        if isinstance(noted, Fault) or noted.key != identity.key:
            return Identity(identity.key, identity.source, identity.hint, identity.expires_at_s, False, True)
        hint = _later(identity.hint, noted.hint)
        return Identity(identity.key, identity.source, hint, identity.expires_at_s, True, False)


def _later(claimed: Hint | None, noted: Hint | None) -> Hint | None:
    """On a tie the token's: its issuer speaks for itself."""
    if claimed is None or (noted is not None and noted.epoch > claimed.epoch):
        return noted
    return claimed
