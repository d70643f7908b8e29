"""What a token's claims say, once its signature holds: who, from when until when, and perhaps which home."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from lookup.assignment import NO_EPOCH
from lookup.keys import AS_THEY_ARE, InvalidKeyError, KeySpelling, user_key
from lookup.resolution import Hint
from proxy.rooms.faults import Fault

_YEAR_10000_S: Final = 253_402_300_800  # a date in milliseconds, a common mistake, lies beyond it
_MAX_EPOCH: Final = (1 << 63) - 1
_MAX_CELL_NAME: Final = 128


@dataclass(frozen=True, slots=True)
class ClaimRules:
    """What a token must say, and under which names it says the user and the home.

    issuer, audience  exact text of `iss`, and of `aud` or one of its items
    leeway_s          by how much the issuer's clock may differ from ours
    spelling          of the user's key from here on
    """

    issuer: str
    audience: str
    leeway_s: float
    user: str = "sub"
    cell: str = "home_cell"
    epoch: str = "home_epoch"
    spelling: KeySpelling = AS_THEY_ARE


@dataclass(slots=True)
class Claims:
    """An accepted token's claims. Valid while not_before_s <= now < expires_at_s (Unix, leeway included)."""

    key: str
    hint: Hint | None
    not_before_s: float
    expires_at_s: float


def read_claims(payload: dict[str, object], rules: ClaimRules, now_s: float) -> Claims | Fault:
    """The claims of a token whose signature was verified, or why they are not accepted at `now_s`."""
    if payload.get("iss") != rules.issuer:
        return Fault.TOKEN_ISSUER
    if not _names_audience(payload.get("aud"), rules.audience):
        return Fault.TOKEN_AUDIENCE
    if "exp" not in payload:
        return Fault.TOKEN_WITHOUT_EXPIRY
    expires_at_s = _seconds(payload["exp"])
    not_before_s = _seconds(payload.get("nbf", 0))
    issued_at_s = _seconds(payload.get("iat", 0))
    if expires_at_s is None or not_before_s is None or issued_at_s is None:
        return Fault.TOKEN_DATE
    if now_s >= expires_at_s + rules.leeway_s:
        return Fault.TOKEN_EXPIRED
    if now_s < not_before_s - rules.leeway_s:
        return Fault.TOKEN_NOT_YET
    if now_s < issued_at_s - rules.leeway_s:
        return Fault.TOKEN_ISSUED_LATER
    key = _user_key(payload.get(rules.user))
    if key is None:
        return Fault.TOKEN_USER
    hint = _hint(payload.get(rules.cell), payload.get(rules.epoch, NO_EPOCH), issued_at_s)
    key = rules.spelling.stored(key)
    return Claims(key, hint, max(not_before_s, issued_at_s) - rules.leeway_s, expires_at_s + rules.leeway_s)


def _names_audience(claimed: object, audience: str) -> bool:
    if isinstance(claimed, list):
        return audience in claimed and all(isinstance(item, str) for item in claimed)
    return claimed == audience


def _seconds(claimed: object) -> float | None:
    """A NumericDate: a JSON number (`true` is none) between 1970 and the year 9999."""
    if isinstance(claimed, (int, float)) and not isinstance(claimed, bool) and 0 <= claimed < _YEAR_10000_S:
        return float(claimed)
    return None


def _user_key(claimed: object) -> str | None:
    if not isinstance(claimed, str):
        return None
    try:
        return user_key(claimed)
    except InvalidKeyError:
        return None


def _hint(cell: object, epoch: object, issued_at_s: float) -> Hint | None:
    """The home that the token claims. A malformed claim is none: the user is known, his home is looked up."""
    if not isinstance(cell, str) or not 0 < len(cell) <= _MAX_CELL_NAME or not cell.isascii():
        return None
    if not isinstance(epoch, int) or isinstance(epoch, bool):
        return None
    return Hint(cell, epoch, issued_at_s) if epoch == NO_EPOCH or 0 < epoch <= _MAX_EPOCH else None
