"""Field names and values: what every head and trailer section has to obey (RFC 9112 section 5)."""

from __future__ import annotations

import re
from typing import Final

MAX_HEAD_BYTES: Final = 65536
MAX_FIELDS: Final = 128
MAX_TARGET_BYTES: Final = 16384

TEXT: Final = b"\t" + bytes(range(0x20, 0x7F)) + bytes(range(0x80, 0x100))
"""Every octet that may stand in a head besides the CRLFs: no control characters but HTAB."""

LINE_ENDS: Final = tuple(b"\r\n" * count for count in range(MAX_FIELDS + 3))
"""What is left of a head when TEXT is removed: one CRLF for each line and nothing else. A bare CR or LF,
a control character or a NUL leaves something else, so that one comparison finds all of them."""

FIELD_NAMES: Final = re.compile(rb"\r\n([!#$%&'*+.^_`|~0-9A-Za-z-]+):")
"""Finds the names of well-formed field lines. One that is folded, lacks its colon or whose name is no token
is not found, so that one comparison of counts finds all of them."""

TOKEN: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")

# What a field means to the proxy. PLAIN fields pass untouched.
PLAIN: Final = 0
DROP: Final = 1
HOST: Final = 2
CONTENT_LENGTH: Final = 3
TRANSFER_ENCODING: Final = 4
CONNECTION: Final = 5
EXPECT: Final = 6
UPGRADE: Final = 7
AUTHORIZATION: Final = 8
COOKIE: Final = 9
FORWARDING: Final = 10
REQUEST_ID: Final = 11
TRACEPARENT: Final = 12
KINDS: Final = 13

OWN_PREFIX: Final = b"x-home-cell"
_LEARNED_NAMES: Final = 4096


class FieldKinds(dict[bytes, int]):
    """The kind of each valid field name; spellings that were seen once are remembered, up to a bound.

    `special` maps lower-case names to their kind; every other name is PLAIN, and those that start with
    X-Home-Cell are DROP: only the proxy speaks in that name. A special name with underscores for its hyphens
    is DROP too: programs behind CGI-like interfaces can't tell it from the real one.
    """

    def __init__(self, special: dict[bytes, int]) -> None:
        super().__init__(special)
        self.special = special

    def __missing__(self, name: bytes) -> int:
        """The kind of a spelling that was not seen before."""
        lower = name.lower()
        hyphened = lower.replace(b"_", b"-")
        kind = self.special.get(hyphened, PLAIN)
        if hyphened.startswith(OWN_PREFIX) or (kind != PLAIN and hyphened != lower):
            kind = DROP
        if len(self) < _LEARNED_NAMES and len(name) <= 64:
            self[name] = kind
        return kind


def is_length(value: bytes) -> bool:
    """Whether it is a Content-Length: up to 18 ASCII digits and nothing else."""
    return value.isdigit() and len(value) <= 18


def list_members(value: bytes) -> list[bytes]:
    """The members of a comma-separated field value, in lower case, without white space and empty ones."""
    return [member for part in value.lower().split(b",") if (member := part.strip(b" \t"))]
