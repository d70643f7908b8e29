"""Bytes from a credential, read in one spelling only: canonical base64url and strict JSON.

Two spellings of one value are two tokens to a cache and one to a verifier, and a parser that forgives
reads another message than the next one. So whatever is not the canonical form is refused, never mended.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from typing import Final


def encode_base64url(raw: bytes) -> bytes:
    """The canonical form: URL-safe alphabet, no padding (RFC 7515, section 2)."""
    return urlsafe_b64encode(raw).rstrip(b"=")


def decode_base64url(text: bytes) -> bytes | None:
    """The bytes whose canonical form is `text`; None for padding, another alphabet, non-zero last bits."""
    try:
        raw = urlsafe_b64decode(text + b"=" * (-len(text) % 4))
    except Base64Error:
        return None
    return raw if encode_base64url(raw) == text else None


def read_object(raw: bytes) -> dict[str, object] | None:
    """The JSON object in `raw`; None unless it is UTF-8, well-formed, finite and names each member once.

    Also None for a text with lone surrogates (they cannot be written as UTF-8 again) and for nesting or
    digits beyond what the interpreter reads.
    """
    try:
        text = raw.decode("utf-8")
        value: object = _DECODER.decode(text)
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _members_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member is named twice")
    return members


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_members_once, parse_constant=_refuse_constant)
