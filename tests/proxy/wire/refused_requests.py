"""Requests that are refused before any cell is chosen: each rule with the ways to break it."""

from __future__ import annotations

from typing import Final

from proxy.wire import fields as f
from tests.proxy.wire.heads import get, head, post

HOST: Final = b"Host: a.example"


OVERLONG: Final = b"9" * 19


FRAMING: Final = {
    "Content-Length beside Transfer-Encoding": post(b"Content-Length: 3", b"Transfer-Encoding: chunked"),
    "Transfer-Encoding beside Content-Length": post(b"Transfer-Encoding: chunked", b"Content-Length: 3"),
    "Content-Length 0 beside Transfer-Encoding": post(b"Content-Length: 0", b"Transfer-Encoding: chunked"),
    "broken Content-Length beside Transfer-Encoding": post(
        b"Content-Length: x", b"Transfer-Encoding: chunked"
    ),
    "two different Content-Lengths": post(b"Content-Length: 3", b"Content-Length: 4"),
    "two equal Content-Lengths": post(b"Content-Length: 3", b"Content-Length: 3"),
    "two equal Content-Lengths in two spellings": post(b"Content-Length: 3", b"content-length: 3"),
    "a broken Content-Length before a good one": post(b"Content-Length: x", b"Content-Length: 3"),
    "Content-Length with a plus": post(b"Content-Length: +5"),
    "Content-Length with a minus": post(b"Content-Length: -5"),
    "Content-Length as a list": post(b"Content-Length: 5,5"),
    "Content-Length as a spaced list": post(b"Content-Length: 5, 5"),
    "Content-Length in hexadecimal": post(b"Content-Length: 0x5"),
    "Content-Length with a space inside": post(b"Content-Length: 5 5"),
    "Content-Length with a tab inside": post(b"Content-Length: 5\t5"),
    "Content-Length with a fraction": post(b"Content-Length: 5.0"),
    "Content-Length with an exponent": post(b"Content-Length: 5e1"),
    "Content-Length with an underscore": post(b"Content-Length: 1_0"),
    "Content-Length in quotes": post(b'Content-Length: "5"'),
    "Content-Length with a semicolon": post(b"Content-Length: 5;"),
    "Content-Length that overflows": post(b"Content-Length: " + OVERLONG),
    "Content-Length that overflows after zeros": post(b"Content-Length: " + b"0" * 30 + b"5"),
    "Content-Length that is empty": post(b"Content-Length:"),
    "Content-Length that is white space": post(b"Content-Length: \t "),
    "Content-Length with a no-break space": post(b"Content-Length: \xa05"),
    "Content-Length in superscript": post(b"Content-Length: \xb2"),
    "Content-Length in Arabic digits": post("Content-Length: ٥".encode()),
    "Transfer-Encoding identity": post(b"Transfer-Encoding: identity"),
    "Transfer-Encoding gzip, chunked": post(b"Transfer-Encoding: gzip, chunked"),
    "Transfer-Encoding chunked, gzip": post(b"Transfer-Encoding: chunked, gzip"),
    "Transfer-Encoding chunked, chunked": post(b"Transfer-Encoding: chunked, chunked"),
    "Transfer-Encoding chunked, with a list's comma": post(b"Transfer-Encoding: chunked,"),
    "Transfer-Encoding with a leading comma": post(b"Transfer-Encoding: , chunked"),
    "Transfer-Encoding twice": post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
    "Transfer-Encoding identity, then chunked": post(
        b"Transfer-Encoding: identity", b"Transfer-Encoding: chunked"
    ),
    "Transfer-Encoding chunked, then identity": post(
        b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity"
    ),
    "Transfer-Encoding with a parameter": post(b"Transfer-Encoding: chunked;q=1"),
    "Transfer-Encoding in quotes": post(b'Transfer-Encoding: "chunked"'),
    "Transfer-Encoding with a vertical tab": post(b"Transfer-Encoding: \x0bchunked"),
    "Transfer-Encoding with a no-break space": post(b"Transfer-Encoding: \xa0chunked"),
    "Transfer-Encoding xchunked": post(b"Transfer-Encoding: xchunked"),
    "Transfer-Encoding chunked with text after it": post(b"Transfer-Encoding: chunked x"),
    "Transfer-Encoding that is empty": post(b"Transfer-Encoding:"),
    "Transfer-Encoding in HTTP/1.0": head(b"POST / HTTP/1.0", HOST, b"Transfer-Encoding: chunked"),
    "Upgrade beside Content-Length": post(
        b"Connection: upgrade", b"Upgrade: websocket", b"Content-Length: 5"
    ),
    "Upgrade after Content-Length": post(b"Content-Length: 5", b"Upgrade: websocket", b"Connection: upgrade"),
    "Upgrade beside chunked": post(
        b"Connection: upgrade", b"Upgrade: websocket", b"Transfer-Encoding: chunked"
    ),
    "Upgrade without Connection beside a body": post(b"Upgrade: websocket", b"Content-Length: 5"),
    "two Upgrades, the last one empty, beside a body": post(
        b"Upgrade: websocket", b"Upgrade:", b"Content-Length: 5"
    ),
}


FIELD_LINES: Final = {
    "a folded value": get(b"X-A: one", b" two"),
    "a value folded with a tab": get(b"X-A: one", b"\ttwo"),
    "a folded value with a colon in it": get(b"X-A: one", b" X-B: two"),
    "a fold after the request line": head(b"GET / HTTP/1.1", b" X-A: one", HOST),
    "a space before the colon": get(b"X-A : one"),
    "a tab before the colon": get(b"X-A\t: one"),
    "a space before the colon of Content-Length": post(b"Content-Length : 5"),
    "a space before the colon of Transfer-Encoding": post(b"Transfer-Encoding : chunked"),
    "a space before the colon of Host": head(b"GET / HTTP/1.1", b"Host : a.example"),
    "an empty field name": get(b": one"),
    "a line that is only a colon": get(b":"),
    "a line without a colon": get(b"X-A"),
    "a known name without a colon": get(b"Accept", b"Accept: */*"),
    "a second Host without a colon": get(b"Host"),
    "a space inside a name": get(b"X A: one"),
    "quotes in a name": get(b'"X-A": one'),
    "parentheses in a name": get(b"X(A): one"),
    "a slash in a name": get(b"X/A: one"),
    "an at sign in a name": get(b"X@A: one"),
    "obs-text in a name": get(b"X-\xe9: one"),
    "NUL in a name": get(b"X-\x00A: one"),
    "NUL in a value": get(b"X-A: one\x00two"),
    "NUL at the end of a value": get(b"X-A: one\x00"),
    "BEL in a value": get(b"X-A: one\x07"),
    "ESC in a value": get(b"X-A: \x1b[2J"),
    "DEL in a value": get(b"X-A: one\x7f"),
    "vertical tab in a value": get(b"X-A: one\x0btwo"),
    "form feed in a value": get(b"X-A: one\x0ctwo"),
    "a bare CR in a value": get(b"X-A: one\rtwo"),
    "a bare CR before a CRLF": get(b"X-A: one\r"),
    "a bare CR that hides a field": get(b"X-A: one\rContent-Length: 5"),
    "a bare CR in a name": get(b"X\r-A: one"),
    "a bare CR in the request line": head(b"GET / HTTP/1.1\rX-A: one", HOST),
    "a bare LF in a value": get(b"X-A: one\nX-B: two"),
    "a bare LF before a CRLF": get(b"X-A: one\n"),
    "a bare LF after the request line": b"GET / HTTP/1.1\nHost: a.example\r\n\r\n",
    "LF CR for CRLF": get(b"X-A: one\n\rX-B: two"),
    "bare LFs as every line end": b"GET / HTTP/1.1\nHost: a.example\n\n",
    "bare LFs at the end of the head": b"GET / HTTP/1.1\r\nHost: a.example\n\n",
    "bare CRs as every line end": b"GET / HTTP/1.1\rHost: a.example\r\r",
    "an empty line of a bare LF": b"GET / HTTP/1.1\r\nHost: a.example\r\n\nGET /two HTTP/1.1\r\n\r\n",
}


HOSTS: Final = {
    "no Host in 1.1": head(b"GET / HTTP/1.1", b"X-A: one"),
    "no field at all in 1.1": head(b"GET / HTTP/1.1"),
    "no Host in 1.1 with an absolute target": head(b"GET http://a.example/ HTTP/1.1", b"X-A: one"),
    "two different Hosts": get(b"Host: b.example"),
    "two equal Hosts": get(HOST),
    "two Hosts in two spellings": get(b"hOST: b.example"),
    "two Hosts in 1.0": head(b"GET / HTTP/1.0", HOST, b"Host: b.example"),
    "Host that is empty": head(b"GET / HTTP/1.1", b"Host:"),
    "Host with a space": head(b"GET / HTTP/1.1", b"Host: a b"),
    "Host with a slash": head(b"GET / HTTP/1.1", b"Host: a.example/"),
    "Host with user information": head(b"GET / HTTP/1.1", b"Host: me@a.example"),
    "Host with a comma": head(b"GET / HTTP/1.1", b"Host: a.example,b.example"),
    "Host with a query": head(b"GET / HTTP/1.1", b"Host: a.example?x"),
    "Host with a fragment": head(b"GET / HTTP/1.1", b"Host: a.example#x"),
    "Host with a backslash": head(b"GET / HTTP/1.1", b"Host: a.example\\b"),
    "Host with a percent sign": head(b"GET / HTTP/1.1", b"Host: a%2eexample"),
    "Host with obs-text": head(b"GET / HTTP/1.1", b"Host: caf\xe9.example"),
    "Host with markup": head(b"GET / HTTP/1.1", b"Host: <script>"),
    "Host with an empty port": head(b"GET / HTTP/1.1", b"Host: a.example:"),
    "Host with a port in letters": head(b"GET / HTTP/1.1", b"Host: a.example:http"),
    "Host with two ports": head(b"GET / HTTP/1.1", b"Host: a.example:80:80"),
    "Host with a port of six digits": head(b"GET / HTTP/1.1", b"Host: a.example:100000"),
    "Host with a port beyond 65535": head(b"GET / HTTP/1.1", b"Host: a.example:65536"),
    "Host that is only a port": head(b"GET / HTTP/1.1", b"Host: :80"),
    "Host with an open bracket": head(b"GET / HTTP/1.1", b"Host: [::1"),
    "Host with text after the bracket": head(b"GET / HTTP/1.1", b"Host: [::1]x"),
    "Host as a naked IPv6 address": head(b"GET / HTTP/1.1", b"Host: ::1"),
    "Host with a zone": head(b"GET / HTTP/1.1", b"Host: [fe80::1%25eth0]"),
    "Host that disagrees with an absolute target": head(b"GET http://b.example/ HTTP/1.1", HOST),
    "Host that disagrees in the port": head(b"GET http://a.example:81/ HTTP/1.1", HOST),
    "Host that disagrees in 1.0": head(b"GET http://b.example/ HTTP/1.0", HOST),
}


TARGETS: Final = {
    "user information in the target": head(b"GET http://me@a.example/ HTTP/1.1", HOST),
    "user and password in the target": head(b"GET http://me:pw@a.example/ HTTP/1.1", HOST),
    "user information in the target, without a Host": head(b"GET http://me@a.example/ HTTP/1.0"),
    "markup for an authority, without a Host": head(b"GET http://<script>/ HTTP/1.0"),
    "an empty authority, without a Host": head(b"GET http:///x HTTP/1.0"),
    "a port beyond 65535 in the target, without a Host": head(b"GET http://a.example:65536/ HTTP/1.0"),
    "a fragment in the target": head(b"GET /#x HTTP/1.1", HOST),
    "a fragment in an absolute target": head(b"GET http://a.example/#x HTTP/1.1", HOST),
    "a target that is a fragment": head(b"GET # HTTP/1.1", HOST),
    "* with GET": head(b"GET * HTTP/1.1", HOST),
    "* with POST": head(b"POST * HTTP/1.1", HOST),
    "* with options in lower case": head(b"options * HTTP/1.1", HOST),
    "** with OPTIONS": head(b"OPTIONS ** HTTP/1.1", HOST),
    "an authority for a target": head(b"GET a.example:80 HTTP/1.1", HOST),
    "a relative path for a target": head(b"GET index.html HTTP/1.1", HOST),
    "a query for a target": head(b"GET ?x=1 HTTP/1.1", HOST),
    "another scheme": head(b"GET ftp://a.example/ HTTP/1.1", HOST),
    "a scheme without slashes": head(b"GET http:a.example/ HTTP/1.1", HOST),
    "an absolute target without an authority": head(b"GET http:///x HTTP/1.1", HOST),
    "an absolute target with a backslash in its authority": head(b"GET http://a.example\\b/ HTTP/1.1", HOST),
    "obs-text in the target": head(b"GET /caf\xe9 HTTP/1.1", HOST),
    "NUL in the target": head(b"GET /\x00 HTTP/1.1", HOST),
    "a tab in the target": head(b"GET /\t HTTP/1.1", HOST),
    "DEL in the target": head(b"GET /\x7f HTTP/1.1", HOST),
}


START_LINES: Final = {
    "two spaces before the target": head(b"GET  / HTTP/1.1", HOST),
    "two spaces after the target": head(b"GET /  HTTP/1.1", HOST),
    "a space before the method": head(b" GET / HTTP/1.1", HOST),
    "a space after the version": head(b"GET / HTTP/1.1 ", HOST),
    "a tab for a space": head(b"GET\t/ HTTP/1.1", HOST),
    "a space in the target": head(b"GET /a b HTTP/1.1", HOST),
    "no target": head(b"GET HTTP/1.1", HOST),
    "no version": head(b"GET /", HOST),
    "no version but a space": head(b"GET / ", HOST),
    "an empty request line": head(b"", b"GET / HTTP/1.1", HOST),
    "an empty method": head(b" / HTTP/1.1", HOST),
    "a method with a colon": head(b"GET: / HTTP/1.1", HOST),
    "a method in brackets": head(b"(GET) / HTTP/1.1", HOST),
    "a method with obs-text": head(b"G\xc9T / HTTP/1.1", HOST),
    "a method with NUL": head(b"G\x00T / HTTP/1.1", HOST),
    "a method longer than any": head(b"G" * 65 + b" / HTTP/1.1", HOST),
    "the protocol in lower case": head(b"GET / http/1.1", HOST),
    "RTSP": head(b"GET / RTSP/1.0", HOST),
    "ICE": head(b"SOURCE / ICE/1.0", HOST),
    "no protocol": head(b"GET / 1.1", HOST),
    "no minor version": head(b"GET / HTTP/1", HOST),
    "letters for a version": head(b"GET / HTTP/x.y", HOST),
    "the HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "the start of a TLS connection": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
}


CONNECTION: Final = {
    f"Connection that names {name.decode('latin-1')}": get(b"Connection: " + name)
    for name in (
        b"host",
        b"Host",
        b"content-length",
        b"transfer-encoding",
        b"authorization",
        b"cookie",
        b"forwarded",
        b"x-forwarded-for",
        b"x-forwarded-proto",
        b"x-forwarded-host",
        b"x-request-id",
        b"traceparent",
        b"expect",
        b"via",
        b"X-Home-Cell",
        b"x-home-cell-epoch",
        b"x-home-cell-anything",
        b"close, host",
        b"keep-alive,\tCookie ,",
        b"not a token",
        b"x@y",
        b"\xe9",
    )
} | {
    "a second Connection that names Host": get(b"Connection: keep-alive", b"Connection: Host"),
    "Connection that names more fields than a head may have": get(b"Connection: a" + b",a" * f.MAX_FIELDS),
    "Connections that together name more": get(*[b"Connection: a" + b",a" * (f.MAX_FIELDS // 2)] * 3),
}


BAD_REQUESTS: Final = {**FRAMING, **FIELD_LINES, **HOSTS, **TARGETS, **START_LINES, **CONNECTION}


OTHER_REFUSALS: Final = {
    "a target over the limit": (414, head(b"GET /" + b"a" * f.MAX_TARGET_BYTES + b" HTTP/1.1", HOST)),
    "an absolute target over the limit": (
        414,
        head(b"GET http://a.example/" + b"a" * f.MAX_TARGET_BYTES + b" HTTP/1.1", HOST),
    ),
    "a target over the limit with a fragment": (
        414,
        head(b"GET /" + b"a" * f.MAX_TARGET_BYTES + b"#x HTTP/1.1", HOST),
    ),
    "a head over the limit": (431, get(b"X-A: " + b"a" * f.MAX_HEAD_BYTES)),
    "a head over the limit by many fields": (431, get(*[b"X-A: " + b"a" * 1000] * 80)),
    "more fields than the limit": (431, get(*[b"X-A: 1"] * f.MAX_FIELDS)),
    "far more fields than the limit": (431, get(*[b"X-A: 1"] * 5000)),
    "an unknown expectation": (417, post(b"Expect: 200-maybe", b"Content-Length: 3")),
    "an expectation beside the known one": (417, post(b"Expect: 100-continue, x", b"Content-Length: 3")),
    "an empty expectation": (417, post(b"Expect:", b"Content-Length: 3")),
    "two expectations": (417, post(b"Expect: 100-continue", b"Expect: 100-continue", b"Content-Length: 3")),
    "an unknown expectation before the known one": (417, post(b"Expect: x", b"Expect: 100-continue")),
    "HTTP/0.9": (505, head(b"GET / HTTP/0.9", HOST)),
    "HTTP/1.2": (505, head(b"GET / HTTP/1.2", HOST)),
    "HTTP/1.10": (505, head(b"GET / HTTP/1.10", HOST)),
    "HTTP/2.0": (505, head(b"GET / HTTP/2.0", HOST)),
    "HTTP/3.0": (505, head(b"GET / HTTP/3.0", HOST)),
    "HTTP/01.1": (505, head(b"GET / HTTP/01.1", HOST)),
    "CONNECT": (501, head(b"CONNECT a.example:443 HTTP/1.1", HOST)),
    "CONNECT with a path": (501, head(b"CONNECT / HTTP/1.1", HOST)),
    "TRACE": (501, head(b"TRACE / HTTP/1.1", HOST)),
    "TRACE with *": (501, head(b"TRACE * HTTP/1.0")),
}


EVERY_REFUSAL: Final = {name: (400, data) for name, data in BAD_REQUESTS.items()} | OTHER_REFUSALS
