"""A JWK Set (RFC 7517) as a source of keys, and the file it is re-read from when it changes.

Keys of the set are public keys or secrets ("oct"); a private key is a mistake that is named. The check of
the file is made off the hot path, by an owner that calls `reload` now and then.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import jwt

from proxy.rooms.canonical import decode_base64url, read_object
from proxy.rooms.keys import KeyMistakeError, KeyRing, VerificationKey, key_from_public, key_from_secret

MAX_SET_BYTES: Final = 1 << 20
_RACY_S: Final = (
    2.0  # changed twice within one tick of its clock, a file looks unchanged: a young one is read again
)
_PRIVATE_MEMBERS: Final = ("d", "p", "q", "dp", "dq", "qi", "oth")
_MEMBERS: Final = {
    ("RSA", "RS256"): ("n", "e"),
    ("RSA", "PS256"): ("n", "e"),
    ("EC", "ES256"): ("x", "y"),
    ("OKP", "EdDSA"): ("x",),
    ("oct", "HS256"): ("k",),
}
_CURVES: Final = {"EC": "P-256", "OKP": "Ed25519"}
# An entry without `alg` is for one algorithm all the same: the one that issuers mean by it.
_ALGORITHM_OF_KIND: Final = {"RSA": "RS256", "EC": "ES256", "OKP": "EdDSA", "oct": "HS256"}


@dataclass(frozen=True, slots=True)
class KeySet:
    """What a JWK Set gave: its good keys, and a sentence for each entry that was left out."""

    keys: tuple[VerificationKey, ...]
    mistakes: tuple[str, ...]


def read_key_set(raw: bytes, taken_ids: frozenset[str]) -> KeySet:
    """The keys of a JWK Set. Entries that are bad, or whose id is among `taken_ids`, are left out and named.

    Good entries beside a bad one count, so that a rotation or a withdrawal is not held up by it. Raises
    KeyMistakeError when the whole cannot be used: not a set, or no entry of it is good (an empty set is:
    it withdraws every key).
    """
    document = read_object(raw)
    if document is None:
        raise KeyMistakeError("not a JWK Set: no JSON object in which each member is named once")
    entries = document.get("keys")
    if not isinstance(entries, list):
        raise KeyMistakeError('not a JWK Set: the JSON object has no list "keys"')
    keys: list[VerificationKey] = []
    mistakes: list[str] = []
    seen_ids = set(taken_ids)
    for position, entry in enumerate(entries):
        try:
            key = _key_of(entry)
            if key.id in seen_ids:
                raise KeyMistakeError("its kid is another key's already")
        except KeyMistakeError as error:
            mistakes.append(f"keys[{position}]{_name_of(entry)}: {error}")
            continue
        keys.append(key)
        if key.id:
            seen_ids.add(key.id)
    if entries and not keys:
        raise KeyMistakeError("no entry is usable: " + "; ".join(mistakes))
    return KeySet(tuple(keys), tuple(mistakes))


def _name_of(entry: object) -> str:
    kid = entry.get("kid") if isinstance(entry, dict) else None
    return f" (kid {kid[:80]!r})" if isinstance(kid, str) else ""


def _key_of(entry: object) -> VerificationKey:
    if not isinstance(entry, dict):
        raise KeyMistakeError("not an object")
    kind = entry.get("kty")
    kid = entry.get("kid", "")
    if not isinstance(kid, str):
        raise KeyMistakeError("kid is not text")
    if not isinstance(kind, str) or kind not in _ALGORITHM_OF_KIND:
        raise KeyMistakeError("kty is none of " + ", ".join(_ALGORITHM_OF_KIND))
    if any(member in entry for member in _PRIVATE_MEMBERS):
        raise KeyMistakeError("holds a private key: publish the public members only, and replace this key")
    _check_purpose(entry)
    algorithm = entry.get("alg", _ALGORITHM_OF_KIND[kind])
    members = _MEMBERS.get((kind, algorithm)) if isinstance(algorithm, str) else None
    if members is None:
        raise KeyMistakeError(f"alg is none that is accepted for kty {kind}")
    if entry.get("crv") != _CURVES.get(kind):
        raise KeyMistakeError(f"crv must be {_CURVES.get(kind, 'absent')} for kty {kind}")
    if kind == "oct":
        return key_from_secret(kid, _octets(entry, "k"))
    return key_from_public(kid, algorithm, _public_key(entry, algorithm, members))


def _check_purpose(entry: dict[str, object]) -> None:
    """RFC 7517, sections 4.2 and 4.3: a key meant for something else is not used to verify."""
    operations = entry.get("key_ops", ["verify"])
    if entry.get("use", "sig") != "sig" or not isinstance(operations, list) or "verify" not in operations:
        raise KeyMistakeError("its use or key_ops says that it is not for verifying")


def _octets(entry: dict[str, object], member: str) -> bytes:
    text = entry.get(member)
    raw = decode_base64url(text.encode()) if isinstance(text, str) else None
    if not raw:
        raise KeyMistakeError(f"{member} is not canonical base64url")
    return raw


def _public_key(entry: dict[str, object], algorithm: str, members: tuple[str, ...]) -> object:
    for member in members:
        _octets(entry, member)
    public_part = {name: entry[name] for name in ("kty", "crv", *members) if name in entry}
    try:
        return jwt.get_algorithm_by_name(algorithm).from_jwk(public_part)
    except (jwt.InvalidKeyError, ValueError) as error:
        raise KeyMistakeError("its members are not a key: " + ", ".join(members)) from error


class TokenKeys:
    """The keys that verify tokens: fixed ones, and those of a JWK Set file that is re-read when it changes.

    `ring` is what is in force, `mistakes` what the operator should mend now (empty when all is well),
    `good` the content of the file when it was last good, b"" before it was. Without a file, `reload` has
    nothing to do. `earlier` is what was good for somebody before: it holds until the file is good.

    refused    entries of the file that are left out, of those that it had when it was last good
    unusable   at the last look the file could not be read, or used at all
    good_at_s  when it last was good, Unix seconds; 0.0 before, and without a file
    """

    def __init__(self, fixed: tuple[VerificationKey, ...], file: Path | None, earlier: bytes = b"") -> None:
        self.ring = KeyRing(fixed)
        self.mistakes: tuple[str, ...] = ()
        self.good = b""
        self.refused = 0
        self.unusable = False
        self.good_at_s = 0.0
        self._fixed = fixed
        self._fixed_ids = frozenset(key.id for key in fixed)
        self._file = file
        self._stamp: tuple[int, ...] = ()
        self._content: bytes | None = None
        if earlier:
            self.ring = KeyRing((*fixed, *read_key_set(earlier, self._fixed_ids).keys))

    @property
    def in_force(self) -> int:
        """How many keys `ring` has."""
        return len(self.ring.marks)

    def reload(self, now_s: float) -> bool:
        """Reads the file again if it changed. True when `ring` or `mistakes` are new.

        A file that is missing or broken leaves the ring as it was. Blocks for one stat, rarely for one read.
        """
        if self._file is None:
            return False
        ring, mistakes = self.ring, self.mistakes
        try:
            stat = self._file.stat()
            stamp = (stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
            if stamp != self._stamp:
                self._read(self._file)
                self._stamp = stamp if abs(now_s - stat.st_ctime) > _RACY_S else ()
        except OSError as error:
            self._stamp, self._content = (), None
            self.unusable = True
            reason = os.strerror(error.errno or 0)
            self.mistakes = (f"{self._file}: cannot be read ({reason}); the keys stay as they were",)
        if not self.unusable:
            self.good_at_s = now_s
        return self.ring is not ring or self.mistakes != mistakes

    def _read(self, file: Path) -> None:
        with file.open("rb") as stream:
            content = stream.read(MAX_SET_BYTES + 1)
        if content == self._content:
            return
        self._content = content
        try:
            if len(content) > MAX_SET_BYTES:
                raise KeyMistakeError(f"larger than {MAX_SET_BYTES} bytes")
            found = read_key_set(content, self._fixed_ids)
        except KeyMistakeError as error:
            self.mistakes = (f"{file}: {error}; the keys stay as they were",)
            self.unusable = True
            return
        self.ring = KeyRing((*self._fixed, *found.keys))
        self.good = content
        self.unusable, self.refused = False, len(found.mistakes)
        self.mistakes = tuple(f"{file}: {mistake}" for mistake in found.mistakes)
