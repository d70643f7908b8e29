"""The head of a cell's reply: from raw bytes to meaning, as strictly as a request's."""

from __future__ import annotations

import re
from typing import Final

from proxy.wire import fields as f
from proxy.wire.fields import FieldKinds, list_members
from proxy.wire.framing import CHUNKED, LENGTH, NO_BODY, UNTIL_CLOSE

_STATUS: Final = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9]{2})(?: ([\t -~\x80-\xff]*))?")

_KINDS: Final = FieldKinds(
    {
        b"content-length": f.CONTENT_LENGTH,
        b"transfer-encoding": f.TRANSFER_ENCODING,
        b"connection": f.CONNECTION,
        b"x-request-id": f.DROP,
        b"keep-alive": f.DROP,
        b"proxy-connection": f.DROP,
        b"proxy-authenticate": f.DROP,
        b"upgrade": f.DROP,
        b"te": f.DROP,
    }
)
_kind_of: Final = _KINDS.__getitem__
_STATUS_LINES: Final[dict[bytes, tuple[int, bool, bytes]]] = {}
"""Status lines that were read once; there are few, so it is bounded and still always answers."""

_LEARNED_STATUS_LINES: Final = 256
_NO_LINES: Final[list[bytes]] = []


class ReplyHead:
    """One reply head that passed every check.

    start           status line to send on, e.g. b"HTTP/1.1 200 OK"
    fields          lines to send on, as received and in order, without connection fields and X-Home-Cell*
    framing         NO_BODY, LENGTH (then content_length bytes follow), CHUNKED or UNTIL_CLOSE
    keep_alive      whether the cell keeps the connection open after this reply
    """

    __slots__ = ("content_length", "fields", "framing", "keep_alive", "start", "status")

    def __init__(self, status: int, start: bytes, fields: list[bytes], keep_alive: bool) -> None:
        self.status = status
        self.start = start
        self.fields = fields
        self.keep_alive = keep_alive
        self.framing = UNTIL_CLOSE
        self.content_length = 0


def parse_reply_head(head: bytes, answers_head: bool) -> ReplyHead | str:
    """Parse one reply head, from the status line to the end of the empty line.

    head            ends with CRLF CRLF and has no such sequence before
    answers_head    whether the request was a HEAD, so that no body follows whatever the fields say
    Returns the meaning, or what is broken; after that the connection must not be used again.
    """
    lines = head.split(b"\r\n")
    count = len(lines) - 3
    if count > f.MAX_FIELDS or len(head) > f.MAX_HEAD_BYTES:
        return f"more than {f.MAX_FIELDS} fields or {f.MAX_HEAD_BYTES} bytes in the head"
    status_line = _STATUS_LINES.get(lines[0]) or _learn_status_line(lines[0])
    if status_line is None:
        return "malformed status line"
    if head.translate(None, f.TEXT) != f.LINE_ENDS[count + 2]:
        return "control character in the head"
    status, persistent_version, start = status_line
    names = f.FIELD_NAMES.findall(head)
    if len(names) != count:
        return "malformed field line"
    reply = ReplyHead(status, start, lines, persistent_version)
    problem = _read_fields(reply, lines, list(map(_kind_of, names)), persistent_version)
    if problem:
        return problem
    if answers_head or status == 304 or status == 204 or status < 200:
        reply.framing = NO_BODY
    if reply.framing == UNTIL_CLOSE:
        reply.keep_alive = False
    del lines[-2:]
    del lines[0]
    return reply


def _learn_status_line(line: bytes) -> tuple[int, bool, bytes] | None:
    """What a status line says: status, whether it is HTTP/1.1, the line to send on. None if malformed."""
    match = _STATUS.fullmatch(line)
    if match is None:
        return None
    minor, code, reason = match.groups()
    read = (int(code), minor == b"1", b"HTTP/1.1 %b %b" % (code, reason or b""))
    if len(_STATUS_LINES) < _LEARNED_STATUS_LINES and len(line) <= 64:
        _STATUS_LINES[line] = read
    return read


def _read_fields(reply: ReplyHead, lines: list[bytes], kinds: list[int], persistent_version: bool) -> str:
    """Take the fields that mean something to us, remove those that must not pass; returns the problem."""
    seen = [0] * f.KINDS
    dropped: list[int] = []
    options: list[bytes] = _NO_LINES
    index = 0
    for kind in kinds:
        index += 1
        if kind == f.PLAIN:
            continue
        value = lines[index].partition(b":")[2].strip(b" \t")
        seen[kind] += 1
        if kind == f.CONNECTION:
            dropped.append(index)
            if value != b"keep-alive" or not reply.keep_alive:
                options = options + list_members(value)
        elif kind == f.DROP or not _read_special(reply, kind, value):
            dropped.append(index)
    if seen[f.CONTENT_LENGTH] + seen[f.TRANSFER_ENCODING] > 1:
        return "conflicting framing"
    if seen[f.TRANSFER_ENCODING] and not persistent_version:
        return "Transfer-Encoding in an HTTP/1.0 reply"
    if reply.framing == NO_BODY:
        return "malformed Content-Length or Transfer-Encoding"
    for index in reversed(dropped):
        del lines[index]
    if options:
        _apply_connection(reply, lines, options)
    return ""


def _read_special(reply: ReplyHead, kind: int, value: bytes) -> bool:
    """Take one field's meaning; returns whether the line passes on. Broken framing becomes NO_BODY here."""
    if kind == f.CONTENT_LENGTH:
        if not f.is_length(value):
            reply.framing = NO_BODY
            return False
        reply.framing = LENGTH
        reply.content_length = int(value)
        return reply.status >= 200 and reply.status != 204
    if kind == f.TRANSFER_ENCODING:
        reply.framing = CHUNKED if value.lower() == b"chunked" else NO_BODY
    return False


def _apply_connection(reply: ReplyHead, lines: list[bytes], options: list[bytes]) -> None:
    """Remove what Connection names (RFC 9110 section 7.6.1), except what the client relies on."""
    for option in options:
        if option == b"keep-alive":
            reply.keep_alive = True
        elif option not in (b"close", b"upgrade", b"content-length", b"set-cookie"):
            for index in range(len(lines) - 3, 0, -1):
                if lines[index].partition(b":")[0].lower() == option:
                    del lines[index]
    if b"close" in options:
        reply.keep_alive = False


def shared_caches_may_keep(fields: list[bytes]) -> bool:
    """Whether Cache-Control lets a shared cache keep the reply for others (RFC 9111 section 3)."""
    for line in fields:
        name, _, value = line.partition(b":")
        if name.lower() == b"cache-control":
            for directive in list_members(value):
                if directive == b"public" or directive.startswith(b"s-maxage"):
                    return True
    return False
