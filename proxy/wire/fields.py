"""Field names and values: what every head and trailer section has to obey (RFC 9112 section 5)."""

from __future__ import annotations

import re
from typing import Final

MAX_HEAD_BYTES: Final = 65536
MAX_FIELDS: Final = 128
MAX_TARGET_BYTES: Final = 16384
MAX_LENGTH_DIGITS: Final = 18
TOO_MANY_FIELDS: Final = f"more than {MAX_FIELDS} fields or {MAX_HEAD_BYTES} bytes in the head"

TEXT: Final = b"\t" + bytes(range(0x20, 0x7F)) + bytes(range(0x80, 0x100))
"""Every octet that may stand in a head besides the CRLFs: no control characters but HTAB."""

LINE_ENDS: Final = tuple(b"\r\n" * count for count in range(MAX_FIELDS + 3))
"""What is left of a head when TEXT is removed: one CRLF for each line and nothing else. A bare CR or LF,
a control character or a NUL leaves something else, so that one comparison finds all of them."""

FIELDS: Final = re.compile(rb"\r\n([!#$%&'*+.^_`|~0-9A-Za-z-]+):([^\r]*)")
"""Finds name and value (with the white space around it) of each well-formed field line. One that is folded,
lacks its colon or whose name is no token is not found; then more line ends are left over than LINE_ENDS has
for the fields that were found, so that the same one comparison finds these as well."""

TOKEN: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")

# What a field means to the proxy, as one bit each. PLAIN fields pass untouched.
PLAIN: Final = 0
DROP: Final = 1 << 0
HOST: Final = 1 << 1
CONTENT_LENGTH: Final = 1 << 2
TRANSFER_ENCODING: Final = 1 << 3
CONNECTION: Final = 1 << 4
EXPECT: Final = 1 << 5
UPGRADE: Final = 1 << 6
AUTHORIZATION: Final = 1 << 7
COOKIE: Final = 1 << 8
FORWARDING: Final = 1 << 9
REQUEST_ID: Final = 1 << 10
TRACEPARENT: Final = 1 << 11

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
        if len(name) <= 64:
            if len(self) >= _LEARNED_NAMES:  # begin anew: made-up names must not keep the usual ones out
                self.clear()
                self.update(self.special)
            self[name] = kind
        return kind


def without_line(block: bytes, name: bytes, value: bytes) -> bytes:
    """A block of field lines (a CRLF before the first and after each) without the last such line of it."""
    before, _, after = block.rpartition(b"".join((b"\r\n", name, b":", value, b"\r\n")))
    return b"\r\n".join((before, after))


def without_lines_named(block: bytes, names: set[bytes]) -> bytes:
    """The block without all lines of these names, which are in lower case.

    One pass for all of them: a head has room for 30,000, and a pass for each would take a second.
    """
    for spelling, value in FIELDS.findall(block):
        if spelling.lower() in names:
            block = without_line(block, spelling, value)
    return block


def malformed(head: bytes) -> str:
    """What is wrong with a head that has more or other line ends than well-formed fields."""
    lines = head.count(b"\r\n") - 2
    if lines > MAX_FIELDS:
        return TOO_MANY_FIELDS
    if head.translate(None, TEXT) != b"\r\n" * (lines + 2):
        return "a control character, a bare CR or a bare LF in the head"
    return "a field line is folded, has no colon, or its name is no token"


def is_length(value: bytes) -> bool:
    """Whether it is a Content-Length: a few ASCII digits and nothing else."""
    return value.isdigit() and len(value) <= MAX_LENGTH_DIGITS


def list_members(value: bytes) -> list[bytes]:
    """The members of a comma-separated field value, in lower case, without white space and empty ones."""
    return [member for part in value.lower().split(b",") if (member := part.strip(b" \t"))]
