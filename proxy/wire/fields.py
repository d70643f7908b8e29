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

FIELD: Final = re.compile(rb"(\r\n[!#$%&'*+.^_`|~0-9A-Za-z-]+:)")
"""Splits field lines (a CRLF before each, none behind the last) into b"", then in turn the beginning of each
well-formed line up to its colon, and its value with the white space around it. A line that is folded, lacks
its colon or whose name is no token stays a part of the value before it; then more line ends are left over
than LINE_ENDS has for the fields that were found, so that the same one comparison finds these as well."""

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
TRACESTATE: Final = 1 << 12

OWN_PREFIX: Final = b"x-home-cell"
LEARNED_PLANS: Final = 1024
LEARNED_BYTES: Final = 1024
"""Sequences of names that are remembered, and the longest of them: others are judged anew each time."""


def kind_of(name: bytes, special: dict[bytes, int]) -> int:
    """The kind of a field by its name, in lower case.

    `special` names those that have one; every other is PLAIN, and those that start with X-Home-Cell are DROP:
    only the proxy speaks in that name. A special name with underscores for its hyphens is DROP too: programs
    behind CGI-like interfaces can't tell it from the real one.
    """
    hyphened = name.replace(b"_", b"-")
    kind = special.get(hyphened, PLAIN)
    if hyphened.startswith(OWN_PREFIX) or (kind != PLAIN and hyphened != name):
        return DROP
    return kind


def lower_name(beginning: bytes) -> bytes:
    """The name in lower case; `beginning` is that of a line as FIELD splits it off."""
    return beginning[2:-1].lower()


def without_lines(parts: list[bytes], places: list[int]) -> bytes:
    """The field lines that FIELD made `parts` of (a CRLF before the first and after each), but for some.

    places  of the values of the lines that are left out; they are blanked in `parts`
    """
    for at in places:
        parts[at - 1] = parts[at] = b""
    parts.append(b"\r\n")
    return b"".join(parts)


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
