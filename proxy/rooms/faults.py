"""What can be wrong with a credential: one value per reason, whose text is told to the client.

No text quotes the credential, names a key or holds anything that another client must not know.
"""

from __future__ import annotations

from enum import StrEnum, unique

from proxy.errors import INVALID_CREDENTIAL, Refusal


@unique
class Fault(StrEnum):
    """Why a credential is not accepted. The text is the problem's detail: ASCII, without quotes."""

    TOKEN_EMPTY = "The credential is empty"
    TOKEN_TOO_LONG = "The token is longer than 8 KiB"
    TOKEN_PARTS = "The token does not have exactly three parts"
    TOKEN_ENCODING = "A part of the token is not canonical base64url"
    TOKEN_HEADER = "The token header is not a strict JSON object"
    TOKEN_TYPE = "The token has a type that is not accepted here"
    TOKEN_EXTENSION = "The token demands an extension that is not supported"
    TOKEN_KEY_ID = "The token names its key in a form that is not text"
    TOKEN_ALGORITHM = "The token names no algorithm that its key is for"
    TOKEN_KEY_UNKNOWN = "The token is signed with a key that is not known here"
    TOKEN_SIGNATURE = "The token signature does not verify"
    TOKEN_CLAIMS = "The token claims are not a strict JSON object"
    TOKEN_DATE = "A date in the token is not a number of seconds since 1970"
    TOKEN_WITHOUT_EXPIRY = "The token has no expiry"
    TOKEN_EXPIRED = "The token has expired"
    TOKEN_NOT_YET = "The token is not valid yet"
    TOKEN_ISSUED_LATER = "The token was issued in the future"
    TOKEN_ISSUER = "The token is from another issuer"
    TOKEN_AUDIENCE = "The token is for another audience"
    TOKEN_USER = "The token names no user in a form that is accepted here"

    SESSION_AMBIGUOUS = "The session cookie was sent twice with different values"

    COOKIE_AMBIGUOUS = "The routing cookie was sent twice with different values"
    COOKIE_TOO_LONG = "The routing cookie is longer than 2 KiB"
    COOKIE_FORM = "The routing cookie is malformed"
    COOKIE_KEY_UNKNOWN = "The routing cookie is signed with a key that is not known here"
    COOKIE_SIGNATURE = "The routing cookie signature does not verify"
    COOKIE_EXPIRED = "The routing cookie has expired"


def challenge(refusal: Refusal) -> bytes:
    """The WWW-Authenticate value of a 401. Without a credential it names no error (RFC 6750, section 3.1)."""
    if refusal.problem is INVALID_CREDENTIAL:
        return b'Bearer error="invalid_token", error_description="%b"' % refusal.detail.encode("ascii")
    return b"Bearer"
