"""The head of a cell's reply: from raw bytes to meaning, as strictly as a request's."""

from __future__ import annotations

import re
from typing import Final

from proxy.wire import fields as f
from proxy.wire.fields import FieldKinds, list_members, without_line, without_lines_named
from proxy.wire.framing import CHUNKED, LENGTH, NO_BODY, UNTIL_CLOSE
from proxy.wire.not_mine import FIELD as NOT_MINE_FIELD

_MISDIRECTED: Final = 421
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
_STATUS_LINES: Final[dict[bytes, tuple[int, bool, bytes]]] = {}
"""Status lines that were read once; there are few, so it is bounded and still always answers."""

_LEARNED_STATUS_LINES: Final = 256
_FRAMING: Final = f.CONTENT_LENGTH | f.TRANSFER_ENCODING
_NO_OPTIONS: Final[list[bytes]] = []
_NOT_TO_BE_NAMED: Final = frozenset((b"keep-alive", b"close", b"upgrade", b"content-length", b"set-cookie"))
"""Members of Connection that take no field away."""


class ReplyHead:
    """One reply head that passed every check.

    start           status line to send on, e.g. b"HTTP/1.1 200 OK"
    block           the field lines to send on, as received and in order, with a CRLF before the first
                    and after each; connection fields and X-Home-Cell* are gone
    framing         NO_BODY, LENGTH (then content_length bytes follow), CHUNKED or UNTIL_CLOSE
    keep_alive      whether the cell keeps the connection open after this reply
    """

    __slots__ = ("block", "content_length", "framing", "keep_alive", "start", "status")

    def __init__(self, status: int, start: bytes, block: bytes, keep_alive: bool) -> None:
        self.status = status
        self.start = start
        self.block = block
        self.keep_alive = keep_alive
        self.framing = UNTIL_CLOSE
        self.content_length = 0

    @property
    def fields(self) -> list[bytes]:
        """The lines of `block`, without their ends."""
        return self.block.split(b"\r\n")[1:-1]


class NotMineHead(ReplyHead):
    """A 421 by which the cell says that the user is not at home there (without the field it is a ReplyHead).

    says    values of the field, for proxy.wire.not_mine
    """

    __slots__ = ("says",)

    def __init__(self, start: bytes, block: bytes, keep_alive: bool, says: list[bytes]) -> None:
        super().__init__(_MISDIRECTED, start, block, keep_alive)
        self.says = says


def parse_reply_head(head: bytes, answers_head: bool) -> ReplyHead | str:
    """Parse one reply head, from the status line to the end of the empty line.

    head            ends with CRLF CRLF and has no such sequence before
    answers_head    whether the request was a HEAD, so that no body follows whatever the fields say
    Returns the meaning, or what is broken; after that the connection must not be used again.
    """
    end = head.find(b"\r\n")
    fields: list[tuple[bytes, bytes]] = f.FIELDS.findall(head, end)
    count = len(fields)
    if count > f.MAX_FIELDS or len(head) > f.MAX_HEAD_BYTES:
        return f.TOO_MANY_FIELDS
    line = head[:end]
    status_line = _STATUS_LINES.get(line) or _learn_status_line(line)
    if status_line is None:
        return "malformed status line"
    if head.translate(None, f.TEXT) != f.LINE_ENDS[count + 2]:
        return f.malformed(head)
    status, persistent_version, start = status_line
    if status == _MISDIRECTED:
        reply = _misdirected(start, head[end:-2], persistent_version, fields)
    else:
        reply = ReplyHead(status, start, head[end:-2], persistent_version)
    problem = _read_fields(reply, fields, persistent_version)
    if problem:
        return problem
    if answers_head or status == 304 or status == 204 or status < 200:
        reply.framing = NO_BODY
    if reply.framing == UNTIL_CLOSE:
        reply.keep_alive = False
    return reply


def _misdirected(
    start: bytes, block: bytes, keep_alive: bool, fields: list[tuple[bytes, bytes]]
) -> ReplyHead:
    says = [value for name, value in fields if name.lower() == NOT_MINE_FIELD]
    if says:
        return NotMineHead(start, block, keep_alive, says)
    return ReplyHead(_MISDIRECTED, start, block, keep_alive)


def _learn_status_line(line: bytes) -> tuple[int, bool, bytes] | None:
    """What a status line says: status, whether it is HTTP/1.1, the line to send on. None if malformed."""
    match = _STATUS.fullmatch(line)
    if match is None:
        return None
    minor, code, reason = match.groups()
    read = (int(code), minor == b"1", b"HTTP/1.1 %b %b" % (code, reason or b""))
    if len(line) <= 64:
        if len(_STATUS_LINES) >= _LEARNED_STATUS_LINES:
            _STATUS_LINES.clear()
        _STATUS_LINES[line] = read
    return read


def _read_fields(reply: ReplyHead, fields: list[tuple[bytes, bytes]], persistent_version: bool) -> str:
    """Take the fields that mean something to us, remove those that must not pass; returns the problem.

    Broken framing is noted as NO_BODY, which no field can say.
    """
    seen = 0
    repeated = 0
    options = _NO_OPTIONS
    for name, value in fields:
        kind = _KINDS[name]
        if kind == f.PLAIN:
            continue
        repeated |= seen & kind
        seen |= kind
        text = value.strip(b" \t")
        if kind == f.CONTENT_LENGTH and text.isdigit() and len(text) <= f.MAX_LENGTH_DIGITS:
            reply.framing = LENGTH
            reply.content_length = int(text)
            if reply.status >= 200 and reply.status != 204:
                continue
        elif kind == f.CONNECTION:
            if text != b"keep-alive" or not reply.keep_alive:
                options = options + list_members(text)
        elif kind == f.TRANSFER_ENCODING and text.lower() == b"chunked":
            reply.framing = CHUNKED
        elif kind != f.DROP:
            reply.framing = NO_BODY
        reply.block = without_line(reply.block, name, value)
    if repeated & _FRAMING or seen & _FRAMING == _FRAMING:
        return "conflicting framing"
    if seen & f.TRANSFER_ENCODING and not persistent_version:
        return "Transfer-Encoding in an HTTP/1.0 reply"
    if reply.framing == NO_BODY:
        return "malformed Content-Length or Transfer-Encoding"
    if options:
        _apply_connection(reply, options)
    return ""


def _apply_connection(reply: ReplyHead, options: list[bytes]) -> None:
    """Remove what Connection names (RFC 9110 section 7.6.1), except what the client relies on."""
    named = set(options)
    if b"keep-alive" in named:
        reply.keep_alive = True
    if b"close" in named:
        reply.keep_alive = False
    named.difference_update(_NOT_TO_BE_NAMED)
    if named:
        reply.block = without_lines_named(reply.block, named)


def shared_caches_may_keep(fields: list[bytes]) -> bool:
    """Whether Cache-Control lets a shared cache keep the reply for others (RFC 9111 section 3)."""
    for line in fields:
        name, _, value = line.partition(b":")
        if name.lower() == b"cache-control":
            for directive in list_members(value):
                if directive == b"public" or directive.startswith(b"s-maxage"):
                    return True
    return False
