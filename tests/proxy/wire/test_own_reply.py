"""The proxy's own replies: valid HTTP, valid JSON or harmless HTML, the right length, whatever the words."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy import errors
from proxy.errors import BAD_REQUEST, CELL_DOWN, INVALID_CREDENTIAL, MOVING, Problem
from proxy.wire.own_reply import OwnReply, plain_reply, prefers_html, problem_reply, reason_phrase
from tests.proxy.wire.oracles import Message, h11_reply

PROBLEMS = [value for value in vars(errors).values() if isinstance(value, Problem)]
DATE = b"Sun, 06 Nov 1994 08:49:37 GMT"
BROWSER = b"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
words = st.text(st.one_of(st.characters(), st.sampled_from("<>&\"'{}\x00\n\ud800\udfff")), max_size=40)
"""Any text, also what UTF-8 can't carry."""


def own(accept: bytes = b"", cell: str = "", answers_head: bool = False, keep_alive: bool = True) -> OwnReply:
    """What a reply is told beside its problem."""
    reply = OwnReply(b"0123abc", keep_alive, DATE)
    reply.accept = accept
    reply.cell = cell
    reply.answers_head = answers_head
    return reply


def understood(data: bytes, method: bytes = b"GET") -> Message:
    """The reply as h11 reads it: exactly one, complete, with nothing behind it."""
    outcome = h11_reply(data, method)
    assert outcome is not None, data
    message, rest = outcome
    assert message.complete
    assert rest == b""
    return message


def one(fields: Iterable[tuple[bytes, bytes]], name: bytes) -> bytes:
    """The value of a field that must be there exactly once."""
    values = [value for field, value in fields if field == name]
    assert len(values) == 1, (name, values)
    return values[0]


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: problem.slug)
@pytest.mark.parametrize("accept", [b"", BROWSER])
def test_every_problem_makes_one_valid_reply(problem: Problem, accept: bytes) -> None:
    message = understood(problem_reply(problem, "what was wrong", own(accept)))
    status, reason, version = message.start
    assert (int(status), version) == (problem.status, b"1.1")
    assert reason
    assert one(message.fields, b"x-request-id") == b"0123abc"
    assert one(message.fields, b"date") == DATE
    assert one(message.fields, b"cache-control") == b"no-store"
    assert int(one(message.fields, b"content-length")) == len(message.body)
    expected_type = b"text/html; charset=utf-8" if accept else b"application/problem+json"
    assert one(message.fields, b"content-type") == expected_type
    retry = [value for name, value in message.fields if name == b"retry-after"]
    assert retry == ([] if problem.retry_after_s is None else [b"%d" % problem.retry_after_s])


def test_slugs_and_titles_tell_problems_apart() -> None:
    assert len({problem.slug for problem in PROBLEMS}) == len(PROBLEMS) > 15
    assert len({problem.title for problem in PROBLEMS}) == len(PROBLEMS)


@given(words, words)
def test_the_document_is_json_for_any_words(detail: str, cell: str) -> None:
    message = understood(problem_reply(CELL_DOWN, detail, own(cell=cell)))
    document = json.loads(message.body.decode())
    assert document["type"] == "https://homecell.example/problems/cell-down"
    assert document["status"] == 503
    assert document["title"] == CELL_DOWN.title
    assert document["instance"] == "urn:request:0123abc"
    assert document.get("detail", "") == said(detail)
    assert document.get("cell", "") == said(cell)


def said(text: str) -> str:
    """Text as it reaches the client: what UTF-8 can't carry is replaced."""
    return text.encode(errors="replace").decode()


class _Elements(HTMLParser):
    """Collects the elements of a page and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        assert all(name in ("lang", "charset", "name", "content") for name, _ in attrs)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@given(st.one_of(words, st.sampled_from(["<script>alert(1)</script>", "\"'><img src=x>", "{title}", "&lt;"])))
def test_no_words_add_elements_to_the_page(detail: str) -> None:
    message = understood(problem_reply(CELL_DOWN, detail, own(BROWSER)))
    page = _Elements()
    page.feed(message.body.decode())
    page.close()
    assert page.elements == ["html", "meta", "meta", "title", "h1", "p", "p", "small"]
    assert html.escape(said(detail)) in message.body.decode()


def test_the_page_is_as_wide_as_a_phone() -> None:
    body = understood(problem_reply(MOVING, "", own(BROWSER))).body
    assert b'<meta name=viewport content="width=device-width">' in body


def test_the_page_names_problem_status_and_request() -> None:
    body = understood(problem_reply(MOVING, "come back", own(BROWSER))).body.decode()
    for word in (MOVING.title, "come back", "503", "0123abc"):
        assert word in body


@pytest.mark.parametrize("accept", [b"", BROWSER])
def test_the_answer_to_head_has_the_same_head_and_no_body(accept: bytes) -> None:
    full = problem_reply(CELL_DOWN, "détail", own(accept))
    bare = problem_reply(CELL_DOWN, "détail", own(accept, answers_head=True))
    head, _, body = full.partition(b"\r\n\r\n")
    assert bare == head + b"\r\n\r\n"
    message = understood(bare, b"HEAD")
    assert message.body == b""
    assert int(one(message.fields, b"content-length")) == len(body) > 0


def test_a_connection_that_ends_is_announced() -> None:
    assert understood(problem_reply(BAD_REQUEST, "", own(keep_alive=True))).keep_alive
    closing = understood(problem_reply(BAD_REQUEST, "", own(keep_alive=False)))
    assert not closing.keep_alive
    assert one(closing.fields, b"connection") == b"close"


def test_more_lines_are_sent_and_not_kept() -> None:
    reply = own()
    reply.fields = [b'WWW-Authenticate: Bearer error="invalid_token"', b"Retry-After-Hint: x"]
    first = understood(problem_reply(CELL_DOWN, "", reply))
    assert one(first.fields, b"www-authenticate") == b'Bearer error="invalid_token"'
    assert problem_reply(CELL_DOWN, "", reply) == problem_reply(CELL_DOWN, "", reply)
    assert len(reply.fields) == 2


def test_a_document_without_words_leaves_them_out() -> None:
    document = json.loads(understood(problem_reply(INVALID_CREDENTIAL, "", own())).body)
    assert set(document) == {"type", "title", "status", "instance"}


def test_the_users_own_edge_is_named_where_this_one_is_wrong() -> None:
    reply = own()
    reply.edge_url = "https://eu.example"
    assert (
        json.loads(understood(problem_reply(errors.WRONG_EDGE, "", reply)).body)["edge"]
        == "https://eu.example"
    )


@given(st.binary(max_size=200), st.sampled_from([200, 299, 404, 599]))
def test_a_plain_reply_carries_any_body_whole(body: bytes, status: int) -> None:
    message = understood(plain_reply(status, "text/plain", body, [], own()))
    assert (message.body, message.start[0]) == (body, b"%d" % status)


@pytest.mark.parametrize("status", [204, 304])
def test_a_plain_reply_of_a_status_without_a_body_announces_none(status: int) -> None:
    """RFC 9110, section 8.6: no Content-Length in a 204, and in a 304 only that of the 200 it stands for."""
    reply = plain_reply(status, "text/plain", b"", [b"Retry-After: 1"], own())
    assert understood(reply).start[0] == b"%d" % status
    assert b"content-length" not in reply.lower()
    assert b"content-type" not in reply.lower()
    assert b"\r\nRetry-After: 1\r\n" in reply


def test_reason_phrases_are_the_standard_ones() -> None:
    assert (reason_phrase(200), reason_phrase(421), reason_phrase(299)) == (
        b"OK",
        b"Misdirected Request",
        b"",
    )


@pytest.mark.parametrize(
    ("accept", "page"),
    [
        (b"", False),
        (b"*/*", False),
        (b"application/json", False),
        (b"application/problem+json, text/html", False),
        (b"application/json;q=0.1, text/html", False),
        (BROWSER, True),
        (b"TEXT/HTML", True),
        (b"image/png, text/html;q=0.5", True),
        (b" text/html ; level=1", True),
        (b"text/htmlx", False),
        (b"\xff,;,text/html", True),
        (b"a/b," * 31 + b"text/html", True),
        (b"a/b," * 32 + b"text/html", False),  # nobody's browser: it is not read to its end
    ],
)
def test_a_page_is_for_those_who_name_it_first(accept: bytes, page: bool) -> None:
    assert prefers_html(accept) is page
