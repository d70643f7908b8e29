"""One wrong key or value in a sound config gives exactly one mistake: its line, key, fault and mend."""

from __future__ import annotations

import pytest

from tests.proxy.config.site import Site

HOST_PORT = 'write it as "host:port", e.g. "127.0.0.1:8080" or "[::1]:8080"'
NUMBER = "write a number such as 10 or 0.5, without quotes or unit"
WHOLE = "write a number such as 10, without quotes"
PREFIX = "write `/` or `/some/segments`: decoded, no slash at the end, no `.` or `..` segments, `?`, `#`"
ALGORITHMS = "HS256, RS256, PS256, ES256, EdDSA"

SHAPE = [
    ("  workers: 2", "  worker: 2", "edge.yaml:6: edge.worker is not a known key; did you mean `workers`?"),
    ("  name: edge-1", "  naem: edge-1", "edge.yaml:2: edge.naem is not a known key; did you mean `name`?"),
    ("routes:", "routs:", "edge.yaml:29: routs is not a known key; did you mean `routes`?"),
    (
        "refresh_s: 60",
        "refresh_ms: 60000",
        "edge.yaml:26: lookup.refresh_ms is not a known key; did you mean `refresh_s`?",
    ),
    (
        "refresh_s: 60",
        "connect_timeout_s: 1",
        "edge.yaml:26: lookup.connect_timeout_s is not a known key; it belongs at `limits.connect_timeout_s`",
    ),
    (
        "access.log\n",
        "access.log\nfrobnicate: 1\n",
        "edge.yaml:38: frobnicate is not a known key; known: access_log, cells_file, edge, identity, limits, "
        "lookup, lookup_service, placement, redis, residency, routes, routing_cookie, snapshot, store",
    ),
    (
        "access.log\n",
        "access.log\nplacement: {first_sight: 1}\n",
        "edge.yaml:38: placement.first_sight is the number 1, not a truth value; "
        "write true or false, without quotes",
    ),
    (
        "  name: edge-1\n",
        "",
        "edge.yaml:1: edge.name is missing; "
        "add `name: ...` (Name of this edge in its logs, in `/-/ready` and `/-/flags`, "
        "and in its workers' names)",
    ),
    (
        "  workers: 2",
        "  workers: 2\n  workers: 3",
        "edge.yaml:7: edge.workers is given twice, first on line 6; keep one of them",
    ),
    (
        "  workers: 2",
        "  workers: two",
        f"edge.yaml:6: edge.workers is the text 'two', not a whole number; {WHOLE}",
    ),
    (
        "  workers: 2",
        "  workers: 2.5",
        f"edge.yaml:6: edge.workers is the number 2.5, not a whole number; {WHOLE}",
    ),
    (
        "  workers: 2",
        "  workers: true",
        f"edge.yaml:6: edge.workers is the truth value true, not a whole number; {WHOLE}",
    ),
    ("  workers: 2", "  workers:", f"edge.yaml:6: edge.workers is empty, not a whole number; {WHOLE}"),
    ("  workers: 2", "  workers: 0", "edge.yaml:6: edge.workers is 0; it must be at least 1"),
    ("  workers: 2", "  workers: 257", "edge.yaml:6: edge.workers is 257; it must be at most 256"),
    ("  name: edge-1", "  name: [a]", "edge.yaml:2: edge.name is a list, not text; put it into quotes"),
    (
        "  name: edge-1",
        "  name: Edge 1",
        "edge.yaml:2: edge.name is 'Edge 1'; use 1 to 63 lower-case letters, digits and inner hyphens",
    ),
    (
        "allow: [us, eu]",
        "allow: us",
        "edge.yaml:11: residency.us.allow is the text 'us', not a list; write it in brackets: [...]",
    ),
    (
        "allow: [eu]",
        "allow: eu",
        "edge.yaml:10: residency.eu.allow is the text 'eu', not a list; write it in brackets: [...]",
    ),
    ("allow: [us, eu]", "allow: []", "edge.yaml:11: residency.us.allow has 0 entries; give at least 1"),
    (
        "{kind: sqlite, path: home.sqlite}",
        "sqlite",
        "edge.yaml:8: store is the text 'sqlite', not a mapping; write `key: value` lines below it",
    ),
    (
        "kind: sqlite",
        "kind: sqlit",
        "edge.yaml:8: store.kind is 'sqlit'; did you mean `sqlite`? Known: sqlite, cassandra, remote",
    ),
    (
        "algorithm: RS256",
        "algorithm: RS257",
        f"edge.yaml:19: identity.keys[1].algorithm is 'RS257'; did you mean `RS256`? Known: {ALGORITHMS}",
    ),
    (
        "algorithm: RS256",
        "algorithm: none",
        f"edge.yaml:19: identity.keys[1].algorithm is 'none'; known: {ALGORITHMS}",
    ),
    (
        "fallback: static",
        "fallback: standby",
        "edge.yaml:31: routes[0].fallback is 'standby'; known: static, fail",
    ),
]

VALUES = [
    (
        'listen: "127.0.0.1:8080"',
        "listen: 8080",
        f"edge.yaml:4: edge.listen is 8080, not a host and port; {HOST_PORT}",
    ),
    (
        'listen: "127.0.0.1:8080"',
        'listen: "127.0.0.1"',
        f"edge.yaml:4: edge.listen is '127.0.0.1': it has no port; {HOST_PORT}",
    ),
    (
        'listen: "127.0.0.1:8080"',
        'listen: "127.0.0.1:99999"',
        f"edge.yaml:4: edge.listen is '127.0.0.1:99999': its port is not 1 to 65535; {HOST_PORT}",
    ),
    (
        'listen: "127.0.0.1:8080"',
        'listen: "::1:8080"',
        f"edge.yaml:4: edge.listen is '::1:8080': its IPv6 address has no brackets; {HOST_PORT}",
    ),
    (
        'listen: "127.0.0.1:8080"',
        'listen: "http://127.0.0.1:8080"',
        f"edge.yaml:4: edge.listen is 'http://127.0.0.1:8080': leave out 'http://'; {HOST_PORT}",
    ),
    (
        'listen: "127.0.0.1:8080"',
        'listen: "https://eu-1:8080/"',
        f"edge.yaml:4: edge.listen is 'https://eu-1:8080/': leave out 'https://' and the path; {HOST_PORT}",
    ),
    (
        'listen: "127.0.0.1:8080"',
        'listen: "300.0.0.1:8080"',
        f"edge.yaml:4: edge.listen is '300.0.0.1:8080': '300.0.0.1' is no IPv4 address; {HOST_PORT}",
    ),
    (
        'listen: "127.0.0.1:8080"',
        'listen: "localhost:8080"',
        "edge.yaml:4: edge.listen names 'localhost', not an address; write the address to listen on, "
        'e.g. "127.0.0.1:8080", or "0.0.0.0:8080" for all of them',
    ),
    (
        "cell.example:8102",
        "cell example:8102",
        "cells.yaml:9: cells[1].endpoints[1] is 'cell example:8102': 'cell example' is no host name; "
        + HOST_PORT,
    ),
    (
        "  workers: 2",
        "  trusted_peers: [10.0.0.1/8]",
        "edge.yaml:6: edge.trusted_peers[0] is '10.0.0.1/8', with bits set behind its prefix; "
        'write e.g. "10.0.0.0/8" or "fd00::/8"',
    ),
    ("refresh_s: 60", "refresh_s: -1", "edge.yaml:26: lookup.refresh_s is -1; it must be more than 0"),
    ("refresh_s: 60", "refresh_s: 0", "edge.yaml:26: lookup.refresh_s is 0; it must be more than 0"),
    (
        "refresh_s: 60",
        "refresh_s: .nan",
        "edge.yaml:26: lookup.refresh_s is not a finite number; write a number such as 10 or 0.5",
    ),
    (
        "hard_stale_s: 86400",
        "hard_stale_s: .inf",
        "edge.yaml:28: lookup.hard_stale_s is not a finite number; write a number such as 10 or 0.5",
    ),
    (
        "refresh_s: 60",
        "refresh_s: true",
        f"edge.yaml:26: lookup.refresh_s is the truth value true, not a number; {NUMBER}",
    ),
    (
        "refresh_s: 60",
        "refresh_s: 60s",
        f"edge.yaml:26: lookup.refresh_s is the text '60s', not a number; {NUMBER}",
    ),
    (
        "refresh_s: 60",
        'refresh_s: "60"',
        f"edge.yaml:26: lookup.refresh_s is the text '60', not a number; {NUMBER}",
    ),
    (
        "prefix: /\n",
        "prefix: status\n",
        f"edge.yaml:33: routes[1].prefix is 'status', which is no prefix of a path; {PREFIX}",
    ),
    (
        "prefix: /status",
        "prefix: /status/",
        f"edge.yaml:30: routes[0].prefix is '/status/', which is no prefix of a path; {PREFIX}",
    ),
    (
        "status: 200",
        "status: 99",
        "edge.yaml:32: routes[0].static.status is 99; it must be at least 200",
    ),
    (
        "http://127.0.0.1:8081",
        "ftp://x",
        "edge.yaml:11: residency.us.edge_url is 'ftp://x', not an edge's address; "
        "write e.g. `https://eu.example.com`, without a path",
    ),
    (
        "id: c1",
        "id: c.1",
        "edge.yaml:24: routing_cookie.keys[0].id is 'c.1'; use 1 to 32 letters, digits, `-` and `_`",
    ),
]


@pytest.mark.parametrize(("old", "new", "mistake"), SHAPE)
def test_a_wrong_key_or_kind_of_value_is_named(site: Site, old: str, new: str, mistake: str) -> None:
    site.spoil((old, new))
    assert site.mistakes() == [mistake]


@pytest.mark.parametrize(("old", "new", "mistake"), VALUES)
def test_a_value_that_cannot_be_meant_is_named(site: Site, old: str, new: str, mistake: str) -> None:
    site.spoil((old, new))
    assert site.mistakes() == [mistake]
