"""The routing cookie: a signed note for the browser to carry, saying which cell is a user's home.

It proves no login, only where requests go; the cell decides who may do what. Its value has four parts,

    1.<key id>.<body>.<HMAC-SHA256 of what stands before it>

and the body, canonical base64url, is `epoch issued expires cell key`: numbers, a cell name, the routing key.
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from lookup.keys import AS_THEY_ARE, KeySpelling, is_hash
from lookup.resolution import Hint
from proxy.rooms.canonical import decode_base64url, encode_base64url
from proxy.rooms.faults import Fault
from proxy.rooms.keys import MIN_SECRET_BYTES, KeyMistakeError, secret_in_file

MAX_VALUE_BYTES: Final = 2048

_VERSION: Final = b"1"
_DOMAIN: Final = b"homecell routing cookie\0"  # so that nothing else signed with the same secret is a cookie
_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_KEY_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,32}")


@dataclass(frozen=True, slots=True)
class CookieKey:
    """One signing secret; `id` stands in the cookie, so that a rotated key is still found."""

    id: str
    secret: bytes = field(repr=False)


@dataclass(slots=True)
class RoutingClaim:
    """What a valid routing cookie says: `hint` holds for `key` until expires_at_s (Unix seconds)."""

    key: str
    hint: Hint
    expires_at_s: float


def load_cookie_key(key_id: str, path: Path) -> CookieKey:
    """The signing key in a secret file. Raises KeyMistakeError."""
    if not _KEY_ID.fullmatch(key_id):
        raise KeyMistakeError(f"key id {key_id!r}: write 1 to 32 letters, digits, '-' or '_'")
    try:
        secret = secret_in_file(path.read_bytes())
    except OSError as error:
        raise KeyMistakeError(f"{path}: cannot be read ({error.strerror})") from error
    except KeyMistakeError as error:
        raise KeyMistakeError(f"{path}: {error}") from error
    if len(secret) < MIN_SECRET_BYTES:
        raise KeyMistakeError(f"{path}: the secret has {len(secret)} bytes; {MIN_SECRET_BYTES} are needed")
    return CookieKey(key_id, secret)


class RoutingCookies:
    """Issues and checks routing cookies. The first key signs, every key verifies.

    To rotate: add the new key last everywhere, then move it first, and drop the old one a lifetime later.
    `secure` is set where clients reach this edge by https. `spelling` is that of the keys in the cookies.
    """

    def __init__(
        self,
        name: str,
        keys: tuple[CookieKey, ...],
        lifetime_s: int,
        secure: bool,
        spelling: KeySpelling = AS_THEY_ARE,
    ) -> None:
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} cannot be a cookie's name (RFC 6265, section 4.1.1)")
        if len({key.id for key in keys}) != len(keys) or not keys:
            raise ValueError("routing cookies need at least one key, and each key an id of its own")
        self.name = name
        self._signer = keys[0]
        self._secrets = {key.id.encode(): key.secret for key in keys}
        self._lifetime_s = lifetime_s
        self._spelling = spelling
        only_https = "; Secure" if secure else ""
        self._attributes = f"; Max-Age={lifetime_s}; Path=/; HttpOnly; SameSite=Lax{only_https}".encode()

    def set_cookie(self, key: str, cell: str, epoch: int, now_s: float) -> bytes:
        """The Set-Cookie field value that gives the client its home. `cell` is a name without spaces."""
        issued_s = int(now_s)
        body = f"{epoch} {issued_s} {issued_s + self._lifetime_s} {cell} {key}".encode()
        signed = b".".join((_VERSION, self._signer.id.encode(), encode_base64url(body)))
        signature = _signature(self._signer.secret, signed)
        return b"%b=%b.%b%b" % (self.name.encode(), signed, signature, self._attributes)

    def verify(self, value: bytes, now_s: float) -> RoutingClaim | Fault:
        """What the value says, or the first thing wrong with it. Never raises, whatever the bytes."""
        if len(value) > MAX_VALUE_BYTES:
            return Fault.COOKIE_TOO_LONG
        parts = value.split(b".", 4)
        if len(parts) != 4 or parts[0] != _VERSION:
            return Fault.COOKIE_FORM
        secret = self._secrets.get(parts[1])
        if secret is None:
            return Fault.COOKIE_KEY_UNKNOWN
        if not hmac.compare_digest(_signature(secret, value[: value.rindex(b".")]), parts[3]):
            return Fault.COOKIE_SIGNATURE
        claim = _read_body(parts[2])
        if claim is None or (is_hash(claim.key) and not self._spelling.is_hashed):
            return Fault.COOKIE_FORM
        if self._spelling.is_hashed:  # one that was issued before keys were hashed has the key as it is
            claim = RoutingClaim(self._spelling.stored(claim.key), claim.hint, claim.expires_at_s)
        return claim if now_s < claim.expires_at_s else Fault.COOKIE_EXPIRED


def _signature(secret: bytes, signed: bytes) -> bytes:
    """As text, so that comparing it also refuses every other spelling of the same digest."""
    return encode_base64url(hmac.digest(secret, _DOMAIN + signed, "sha256"))


def _read_body(part: bytes) -> RoutingClaim | None:
    body = decode_base64url(part)
    if body is None:
        return None
    try:
        epoch, issued_s, expires_s, cell, key = body.decode().split(" ", 4)
        return RoutingClaim(key, Hint(cell, int(epoch), float(issued_s)), float(expires_s))
    except ValueError:
        return None
