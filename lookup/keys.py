"""Routing keys: typed text such as `user:42`. Normalises, validates and hashes them; looks nothing up."""

from __future__ import annotations

import re
import unicodedata
from enum import StrEnum
from hashlib import blake2b
from typing import Final

MAX_VALUE_BYTES: Final = 256
"""Longest value in UTF-8: an OpenID Connect `sub` has at most 255 characters, an address at most 254."""

_MIN_SECRET_BYTES: Final = 16
_MAX_SECRET_BYTES: Final = 64  # BLAKE2b's own limit
_DIGEST_BYTES: Final = 16
_PERSON: Final = b"homecell keys"
_HASHED: Final = re.compile("[a-z]+:#[0-9a-f]{32}")

MARK: Final = "mark:#key-spelling"
"""No key: what a store says of its keys' spelling stands under this name."""


class Kind(StrEnum):
    """What a routing key names."""

    USER = "user"
    TENANT = "tenant"
    APIKEY = "apikey"
    EMAIL = "email"


_CANONICAL: Final = re.compile(f"(?:user|tenant|apikey):(?!#)[!-~]{{1,{MAX_VALUE_BYTES}}}")
"""Most keys, as they come: nothing of them changes. In batches, 100,000 a second are looked at."""


class InvalidKeyError(ValueError):
    """The text is no routing key. The message names what is wrong and never repeats more than the kind."""


def user_key(subject: str) -> str:
    """The routing key of the user whom a verified credential names. Raises InvalidKeyError."""
    return make_key(Kind.USER, subject)


def parse_key(text: str) -> str:
    """The canonical form of `kind:value` as an operator types it. Raises InvalidKeyError."""
    if _CANONICAL.fullmatch(text):
        return text
    name, colon, value = text.partition(":")
    if not colon:
        raise InvalidKeyError(f"a routing key is written kind:value, e.g. user:42; the kinds are {_kinds()}")
    try:
        kind = Kind(name)
    except ValueError:
        raise InvalidKeyError(f"{name[:32]!r} is no kind of routing key; the kinds are {_kinds()}") from None
    return make_key(kind, value)


def make_key(kind: Kind, value: str) -> str:
    """The canonical key of that kind: NFC, and for an address lower case. Raises InvalidKeyError."""
    normal = value if value.isascii() else unicodedata.normalize("NFC", value)
    if kind is Kind.EMAIL:
        normal = normal.lower()
        _check_address(normal)
    _check_value(kind, normal)
    return f"{kind}:{normal}"


def keyed_hash(key: str, secret: bytes) -> str:
    """`kind:#<hex>` for stores that must hold no personal data: keyed BLAKE2b of the key, 128 bits.

    The kind stays readable. `secret` has 16 to 64 bytes; without it nobody can try values against the hashes.
    """
    if not _MIN_SECRET_BYTES <= len(secret) <= _MAX_SECRET_BYTES:
        raise ValueError(f"the hash secret has {len(secret)} bytes; it must have 16 to 64")
    kind = key.partition(":")[0]
    digest = blake2b(key.encode(), digest_size=_DIGEST_BYTES, key=secret).hexdigest()
    return f"{kind}:#{digest}"


class KeySpelling:
    """How stores and caches spell keys: as they are, or as keyed hashes. Applied once, where a key comes in.

    secret       any bytes but few, e.g. of a file; None leaves keys as they are
    fingerprint  tells secrets apart without giving them away; "" without one
    """

    def __init__(self, secret: bytes | None = None) -> None:
        if secret is not None and len(secret) < _MIN_SECRET_BYTES:
            raise ValueError(f"the hash secret has {len(secret)} bytes; it must have {_MIN_SECRET_BYTES}")
        self._secret: bytes | None = None
        self.fingerprint = ""
        if secret is not None:
            self._secret = blake2b(secret, digest_size=_MAX_SECRET_BYTES, person=_PERSON).digest()
            self.fingerprint = keyed_hash(MARK, self._secret).rpartition("#")[2]

    @property
    def is_hashed(self) -> bool:
        """Whether stores and caches hold hashes."""
        return self._secret is not None

    def stored(self, key: str) -> str:
        """The canonical key as stores and caches have it; a hash stays what it is."""
        if self._secret is None or is_hash(key):
            return key
        return keyed_hash(key, self._secret)

    def parse(self, text: str) -> str:
        """What somebody asks for in its canonical form: a key, or the hash of one. Raises InvalidKeyError."""
        if text == MARK or (self._secret is not None and is_hash(text)):
            return text
        return parse_key(text)

    def admit(self, text: str) -> str:
        """The stored form of what somebody asks for. Raises InvalidKeyError."""
        asked = self.parse(text)
        return asked if asked == MARK else self.stored(asked)


def is_hash(text: str) -> bool:
    """Whether it is of the form that `keyed_hash` gives; no key is."""
    return _HASHED.fullmatch(text) is not None


def _kinds() -> str:
    return ", ".join(kind.value for kind in Kind)


def _check_value(kind: Kind, value: str) -> None:
    if not value:
        raise InvalidKeyError(f"the {kind} key has no value after the colon")
    if not value.isprintable():  # also refuses lone surrogates, which no store could encode
        raise InvalidKeyError(f"the {kind} key has a control or other unprintable character")
    if " " in value:
        raise InvalidKeyError(f"the {kind} key has a space in it")
    if value[0] == "#":
        raise InvalidKeyError(f"the {kind} key begins with '#', which is kept for hashed keys")
    length_bytes = len(value.encode())
    if length_bytes > MAX_VALUE_BYTES:
        raise InvalidKeyError(f"the {kind} key has {length_bytes} bytes; the limit is {MAX_VALUE_BYTES}")


def _check_address(value: str) -> None:
    local, at, domain = value.rpartition("@")
    if not (at and local and domain):
        raise InvalidKeyError("the email key is not of the form name@domain")


AS_THEY_ARE: Final = KeySpelling()
