"""How h11 and httptools understand the same bytes: readers that the own scanner is held against."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import h11
import httptools

from tests.proxy.wire.heads import head

_LARGE: Final = 1 << 20


@dataclass(slots=True)
class Message:
    """One message as a reader understood it: names in lower case, values without white space around them."""

    start: tuple[bytes, ...] = ()
    fields: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""
    complete: bool = False
    keep_alive: bool = False


def h11_chunked_body(stream: bytes) -> tuple[bytes, bytes] | None:
    """What h11 takes for the body of a chunked message, and what follows it; None if it refuses or waits."""
    outcome = h11_request(head(b"POST / HTTP/1.1", b"Host: a", b"Transfer-Encoding: chunked") + stream)
    if outcome is None or not outcome[0].complete:
        return None
    return outcome[0].body, outcome[1]


def h11_request(data: bytes) -> tuple[Message, bytes] | None:
    """h11's first request in the data and what follows it; None if h11 refuses."""
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=_LARGE)
    return _h11_message(connection, data)


def h11_reply(data: bytes, method: bytes) -> tuple[Message, bytes] | None:
    """h11's first reply to a request of this method, and what follows it; None if h11 refuses."""
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=_LARGE)
    connection.send(h11.Request(method=method, target=b"/", headers=[(b"host", b"a")]))
    connection.send(h11.EndOfMessage())
    return _h11_message(connection, data)


def _h11_message(connection: h11.Connection, data: bytes) -> tuple[Message, bytes] | None:
    message = Message()
    connection.receive_data(data)
    try:
        while True:
            event = connection.next_event()
            if isinstance(event, h11.Request):
                message.start = (event.method, event.target, event.http_version)
                message.fields = _normal(event.headers.raw_items())
            elif isinstance(event, (h11.Response, h11.InformationalResponse)):
                message.start = (b"%d" % event.status_code, event.reason, event.http_version)
                message.fields = _normal(event.headers.raw_items())
                if isinstance(event, h11.InformationalResponse):
                    message.complete = True
                    return message, connection.trailing_data[0]
            elif isinstance(event, h11.Data):
                message.body += bytes(event.data)
            else:
                message.complete = isinstance(event, h11.EndOfMessage)
                message.keep_alive = connection.their_state is h11.DONE
                return message, connection.trailing_data[0]
    except h11.RemoteProtocolError:
        return None


class _Events:
    """Callbacks for httptools: notes each message."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.target = b""
        self.reason = b""
        self.parser: httptools.HttpRequestParser | httptools.HttpResponseParser | None = None

    def on_message_begin(self) -> None:
        self.messages.append(Message())
        self.target = self.reason = b""

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_status(self, reason: bytes) -> None:
        self.reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        self.messages[-1].fields += _normal([(name, value)])

    def on_headers_complete(self) -> None:
        parser, message = self.parser, self.messages[-1]
        assert parser is not None
        version = parser.get_http_version().encode()
        if isinstance(parser, httptools.HttpRequestParser):
            message.start = (parser.get_method(), self.target, version)
        else:
            message.start = (b"%d" % parser.get_status_code(), self.reason, version)
        message.keep_alive = parser.should_keep_alive()

    def on_body(self, body: bytes) -> None:
        self.messages[-1].body += body

    def on_message_complete(self) -> None:
        self.messages[-1].complete = True


def httptools_request(data: bytes) -> list[Message] | None:
    """httptools' requests in the data; None if it refuses the first."""
    events = _Events()
    parser = httptools.HttpRequestParser(events)
    return _httptools_messages(parser, events, data)


def httptools_reply(data: bytes) -> list[Message] | None:
    """httptools' replies in the data; None if it refuses the first."""
    events = _Events()
    parser = httptools.HttpResponseParser(events)
    return _httptools_messages(parser, events, data)


def _httptools_messages(
    parser: httptools.HttpRequestParser | httptools.HttpResponseParser, events: _Events, data: bytes
) -> list[Message] | None:
    events.parser = parser
    try:
        parser.feed_data(data)
    except httptools.HttpParserUpgrade:
        pass
    except httptools.HttpParserError:
        if not events.messages or not events.messages[0].complete:
            return None
    return events.messages


def _normal(fields: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    return [(name.lower(), value.strip(b" \t")) for name, value in fields]
