"""Replies of the proxy itself: RFC 9457 problem documents, HTML for browsers, the interim 100."""

from __future__ import annotations

import html
import json
from http import HTTPStatus
from typing import Final

from proxy.errors import Problem

PROBLEM_BASE: Final = "https://homecell.example/problems/"

_MOST_MEDIA: Final = 32
"""As many of Accept are looked at: browsers name eight, and who names thousands would cost milliseconds."""

_WITHOUT_BODY: Final = (204, 304)
_HTML: Final = (
    "<!doctype html><html lang=en><meta charset=utf-8>"
    '<meta name=viewport content="width=device-width"><title>{title}</title>'
    "<h1>{title}</h1><p>{detail}</p><p><small>{status} · request {request_id}</small></p></html>\n"
)


class OwnReply:
    """What an own reply says besides its problem.

    request_id      goes into X-Request-Id and the document's `instance`
    date            when it is made, as in proxy.wire.dates
    cell            name of the home cell, "" where it isn't known or must not be said
    edge_url        where the user's own edge is, "" unless this one is wrong
    keep_alive      whether the client may send another request
    answers_head    the reply to a HEAD: length, but no body
    accept          the request's Accept value
    fields          more lines, e.g. `WWW-Authenticate: …`
    """

    __slots__ = ("accept", "answers_head", "cell", "date", "edge_url", "fields", "keep_alive", "request_id")

    def __init__(self, request_id: bytes, keep_alive: bool, date: bytes) -> None:
        self.request_id = request_id
        self.keep_alive = keep_alive
        self.date = date
        self.cell = ""
        self.edge_url = ""
        self.answers_head = False
        self.accept = b""
        self.fields: list[bytes] = []


def problem_reply(problem: Problem, detail: str, own: OwnReply) -> bytes:
    """The whole reply that tells a client of a problem."""
    lines = list(own.fields)
    if problem.retry_after_s is not None:
        lines.append(b"Retry-After: %d" % problem.retry_after_s)
    if prefers_html(own.accept):
        content_type = "text/html; charset=utf-8"
        body = _HTML.format(
            title=html.escape(problem.title),
            detail=html.escape(detail),
            status=problem.status,
            request_id=html.escape(own.request_id.decode("latin-1")),
        )
    else:
        content_type = "application/problem+json"
        body = json.dumps(_document(problem, detail, own), ensure_ascii=False) + "\n"
    return plain_reply(problem.status, content_type, body.encode(errors="replace"), lines, own)


def _document(problem: Problem, detail: str, own: OwnReply) -> dict[str, str | int]:
    document: dict[str, str | int] = {
        "type": PROBLEM_BASE + problem.slug,
        "title": problem.title,
        "status": problem.status,
    }
    if detail:
        document["detail"] = detail
    if own.cell:
        document["cell"] = own.cell
    if own.edge_url:
        document["edge"] = own.edge_url
    document["instance"] = "urn:request:" + own.request_id.decode("latin-1")
    return document


def plain_reply(status: int, content_type: str, body: bytes, lines: list[bytes], own: OwnReply) -> bytes:
    """A whole reply with this body; nothing the proxy says itself may be stored by a cache.

    body    b"" for the statuses that have none, 204 and 304: they announce none either (RFC 9110 section 8.6)
    """
    about_body = [b"Content-Type: " + content_type.encode(), b"Content-Length: %d" % len(body)]
    head = [
        b"HTTP/1.1 %d %b" % (status, reason_phrase(status)),
        b"Date: " + own.date,
        *(about_body if body or status not in _WITHOUT_BODY else ()),
        b"Cache-Control: no-store",
        b"X-Request-Id: " + own.request_id,
        *lines,
    ]
    if not own.keep_alive:
        head.append(b"Connection: close")
    head += [b"", b"" if own.answers_head else body]
    return b"\r\n".join(head)


def same_url(target: bytes) -> bytes:
    """A Location that leads to the same URL (RFC 3986 section 4.2), given its target in origin form.

    A target that begins with two slashes, or what browsers take for such, would name another host.
    """
    return b"/." + target if target[1:2] in (b"/", b"\\") else target


def reason_phrase(status: int) -> bytes:
    """The standard reason phrase, b"" for a status that has none."""
    try:
        return HTTPStatus(status).phrase.encode()
    except ValueError:
        return b""


def prefers_html(accept: bytes) -> bool:
    """Whether Accept names text/html and nothing of JSON before it, as browsers do."""
    for part in accept.lower().split(b",", _MOST_MEDIA)[:_MOST_MEDIA]:
        media = part.partition(b";")[0].strip()
        if media == b"text/html":
            return True
        if media in (b"application/json", b"application/problem+json", b"*/*"):
            return False
    return False
