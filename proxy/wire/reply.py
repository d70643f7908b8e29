"""The head of a cell's reply: from raw bytes to meaning, as strictly as a request's."""

from __future__ import annotations

import re
from typing import Final

from proxy.wire import fields as f
from proxy.wire.fields import (
    FIELD,
    LINE_ENDS,
    MAX_FIELDS,
    MAX_HEAD_BYTES,
    TEXT,
    list_members,
    lower_name,
    without_lines,
)
from proxy.wire.framing import CHUNKED, LENGTH, NO_BODY, UNTIL_CLOSE
from proxy.wire.not_mine import FIELD as NOT_MINE_FIELD
from proxy.wire.reply_plan import ReplyPlan, ReplyPlans

_MISDIRECTED: Final = 421
_BEGINNING: Final = b"HTTP/1."
_STATUS: Final = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9]{2})(?: ([\t -~\x80-\xff]*))?")

_PLANS: Final = ReplyPlans()
_NO_STATUS_LINE: Final = "malformed status line"
_UNCLEAR_FRAMING: Final = "malformed Content-Length or Transfer-Encoding"
_STATUS_LINES: Final[dict[bytes, tuple[int, bool, bytes]]] = {}
"""Status lines that were read once; there are few, so it is bounded and still always answers."""

_LEARNED_STATUS_LINES: Final = 256
_NOT_TO_BE_NAMED: Final = frozenset(
    (b"keep-alive", b"close", b"upgrade", b"content-length", b"set-cookie", b"date")
)
"""Members of Connection that take no field away."""

_QUOTED: Final = re.compile(rb'"[^"]*"?')
_VALIDATORS: Final = frozenset((b"etag", b"last-modified"))
_FRESHNESS: Final = frozenset((b"public", b"max-age", b"s-maxage"))


class ReplyHead:
    """One reply head that passed every check.

    start           status line to send on, e.g. b"HTTP/1.1 200 OK"
    block           the field lines to send on, as received and in order, with a CRLF before the first
                    and after each; connection fields and X-Home-Cell* are gone
    framing         NO_BODY, LENGTH (then content_length bytes follow), CHUNKED or UNTIL_CLOSE
    keep_alive      whether the cell keeps the connection open after this reply
    dated           whether the cell says when it made the reply
    """

    __slots__ = ("block", "content_length", "dated", "framing", "keep_alive", "start", "status")

    def __init__(self, status: int, start: bytes, block: bytes, keep_alive: bool) -> None:
        self.status = status
        self.start = start
        self.block = block
        self.keep_alive = keep_alive
        self.framing = UNTIL_CLOSE
        self.content_length = 0
        self.dated = True

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
    parts: list[bytes] = FIELD.split(head[end:-4])
    names = tuple(parts[1::2])
    count = len(names)
    if count > MAX_FIELDS or len(head) > MAX_HEAD_BYTES:
        return f.TOO_MANY_FIELDS
    line = head[:end]
    status_line = _STATUS_LINES.get(line) or _learn_status_line(line)
    if status_line is None:
        return _NO_STATUS_LINE
    if head.translate(None, TEXT) != LINE_ENDS[count + 2]:
        return f.malformed(head)
    status, persistent_version, start = status_line
    block = head[end:-2]
    if status == _MISDIRECTED:
        reply = _misdirected(start, block, persistent_version, parts)
    else:
        reply = ReplyHead(status, start, block, persistent_version)
    problem = _read_fields(reply, _PLANS[names], parts, persistent_version)
    if problem:
        return problem
    if answers_head or status == 304 or status == 204 or status < 200:
        return _without_body(reply)
    if reply.framing == UNTIL_CLOSE:
        reply.keep_alive = False
    return reply


def broken_beginning(begun: bytes) -> str:
    """What is already wrong with the beginning of a reply head, "" while it may become a good one.

    begun   what came of it, without the CRLF CRLF that would end it
    Who waited for that of a cell that speaks another language, or ends its lines with LF, would call it slow.
    """
    if len(begun) > MAX_HEAD_BYTES:
        return f.TOO_MANY_FIELDS
    if begun.count(b"\n") != begun.count(b"\r\n"):
        return "a bare LF in the head"
    line, ended, _ = begun.partition(b"\r\n")
    if ended:
        return "" if _STATUS.fullmatch(line) else _NO_STATUS_LINE
    return "" if begun[: len(_BEGINNING)] == _BEGINNING[: len(begun)] else _NO_STATUS_LINE


def _without_body(reply: ReplyHead) -> ReplyHead | str:
    """A reply that ends with its head, whatever its fields say (RFC 9112 section 6.3).

    Who announces a body where none may stand may yet send it, perhaps only while the connection serves
    somebody else, whose reply it would become: so it serves nobody else. In a 304 and in answers to HEAD the
    fields are allowed and say what a GET would get, but they are what careless cells send that body with.
    That of an interim reply would come before the final one.
    """
    if reply.framing == CHUNKED or reply.content_length > 0:
        if reply.status < 200:
            return "an interim reply announces a body"
        reply.keep_alive = False
    reply.framing = NO_BODY
    return reply


def _misdirected(start: bytes, block: bytes, keep_alive: bool, parts: list[bytes]) -> ReplyHead:
    places = range(2, len(parts), 2)
    says = [parts[place] for place in places if lower_name(parts[place - 1]) == NOT_MINE_FIELD]
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


def _read_fields(reply: ReplyHead, plan: ReplyPlan, parts: list[bytes], persistent_version: bool) -> str:
    """Take the fields that mean something to us, remove those that must not pass; returns the problem."""
    if plan.framed_twice:
        return "conflicting framing"
    reply.dated = plan.dated
    gone = plan.gone
    if plan.length:
        length = parts[plan.length].strip()
        if not f.is_length(length):
            return _UNCLEAR_FRAMING
        reply.framing = LENGTH
        reply.content_length = int(length)
        if reply.status < 200 or reply.status == 204:
            gone = [*gone, plan.length]
    elif plan.coding:
        if parts[plan.coding].strip().lower() != b"chunked":
            return _UNCLEAR_FRAMING
        if not persistent_version:
            return "Transfer-Encoding in an HTTP/1.0 reply"
        reply.framing = CHUNKED
    options: list[bytes] = []
    for place in plan.connections:
        value = parts[place].strip()
        if value != b"keep-alive" or not reply.keep_alive:
            options += list_members(value)
    if options:
        gone = gone + _named(reply, set(options), parts)
    if gone:
        reply.block = without_lines(parts, gone)
    return ""


def _named(reply: ReplyHead, named: set[bytes], parts: list[bytes]) -> list[int]:
    """Obey Connection: the places of the fields that it removes (RFC 9110 section 7.6.1).

    Not of those that the client relies on.
    """
    if b"keep-alive" in named:
        reply.keep_alive = True
    if b"close" in named:
        reply.keep_alive = False
    named -= _NOT_TO_BE_NAMED
    if not named:
        return []
    return [place for place in range(2, len(parts), 2) if lower_name(parts[place - 1]) in named]


def shared_caches_may_keep(fields: list[bytes]) -> bool:
    """Whether a shared cache could hand the reply to somebody else.

    Only `private` and `no-store` surely forbid it, where nothing is said to such caches alone (RFC 9213).
    Otherwise a freshness allows it, and so does a validator: by Last-Modified caches make up a freshness (RFC
    9111 section 4.2.2), and a 304 to somebody else makes what was kept the reply, in spite of `no-cache` too.
    """
    names: set[bytes] = set()
    directives: set[bytes] = set()
    for line in fields:
        name, _, value = line.partition(b":")
        name = name.lower()
        names.add(name)
        if name == b"cache-control":
            directives.update(list_members(_QUOTED.sub(b"", value)))
    if b"surrogate-control" in names or any(name.endswith(b"-cache-control") for name in names):
        return True
    if b"private" in directives or b"no-store" in directives:
        return False
    if names & _VALIDATORS:
        return True
    if b"no-cache" in directives:
        return False
    return b"expires" in names or any(said.partition(b"=")[0] in _FRESHNESS for said in directives)
