"""What a cell is told of the client and of its request, and what it is not told."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from tests.proxy.forward.seen_head import seen_by_cell, value_of
from tests.support.messages import (
    HOST_LINE,
    Problem,
    answer,
    answered,
    ask,
    asked,
    get,
    got,
    lines,
)
from tests.support.stage import Stage, staged

FORGED = (
    b"Forwarded: for=10.0.0.1;proto=https",
    b"X-Forwarded-For: 10.0.0.1",
    b"X-Forwarded-Proto: https",
    b"X-Forwarded-Host: evil.example",
)


@staged
async def test_a_strangers_forwarding_fields_are_replaced(stage: Stage) -> None:
    client = await stage.client()
    client.send(ask(b"GET / HTTP/1.1", *FORGED))
    await (await stage.cell.connection()).expect(got())


@staged
async def test_a_trusted_peers_forwarding_fields_are_extended(stage: Stage) -> None:
    stage.edge.trusted_networks = (ip_network("127.0.0.0/8"),)
    head = await seen_by_cell(
        stage,
        b"Forwarded: for=10.0.0.1;proto=https",
        b"X-Forwarded-For: 10.0.0.1",
        b"x-forwarded-for: 10.0.0.2",
        b"X-Forwarded-Proto: https",
        b"X-Forwarded-Host: public.example",
    )
    assert value_of(head, b"X-Forwarded-For") == b"10.0.0.1, 10.0.0.2, 127.0.0.1"
    assert value_of(head, b"X-Forwarded-Proto") == b"https"
    assert value_of(head, b"X-Forwarded-Host") == b"public.example"
    assert (
        value_of(head, b"Forwarded") == b'for=10.0.0.1;proto=https, for=127.0.0.1;proto=http;host="a.example"'
    )


@pytest.mark.parametrize(
    ("told", "told_on"),
    [
        (
            (b"X-Forwarded-For: 9.9.9.9, 10.0.0.1", b"X-Forwarded-Proto: https"),
            (
                b"9.9.9.9, 10.0.0.1, 127.0.0.1",
                b"https",
                b"a.example",
                b"for=9.9.9.9;proto=https, for=10.0.0.1",
            ),
        ),
        (
            (b"X-Forwarded-For: 2001:db8::1", b"X-Forwarded-Host: public.example"),
            (
                b"2001:db8::1, 127.0.0.1",
                b"http",
                b"public.example",
                b'for="[2001:db8::1]";host="public.example"',
            ),
        ),
        (
            (b'X-Forwarded-For: "; for=1.2.3.4', b'X-Forwarded-Proto: ht"tp', b'X-Forwarded-Host: a", for=b'),
            (b'"; for=1.2.3.4, 127.0.0.1', b'ht"tp', b'a", for=b', b"for=unknown"),
        ),
        (
            (b'Forwarded: for="[2001:db8::1]:4711";proto=https;host=public.example, For=10.0.0.1:99',),
            (
                b"2001:db8::1, 10.0.0.1, 127.0.0.1",
                b"https",
                b"public.example",
                b'for="[2001:db8::1]:4711";proto=https;host=public.example, For=10.0.0.1:99',
            ),
        ),
        ((b"X-Forwarded-Proto: https",), (b"127.0.0.1", b"https", b"a.example", b"for=unknown;proto=https")),
    ],
)
@staged
async def test_what_a_trusted_peer_says_in_one_family_of_fields_is_told_in_both(
    stage: Stage, told: tuple[bytes, ...], told_on: tuple[bytes, bytes, bytes, bytes]
) -> None:
    stage.edge.trusted_networks = (ip_network("127.0.0.0/8"),)
    head = await seen_by_cell(stage, *told)
    clients, proto, host, elements = told_on
    assert value_of(head, b"X-Forwarded-For") == clients
    assert value_of(head, b"X-Forwarded-Proto") == proto
    assert value_of(head, b"X-Forwarded-Host") == host
    assert value_of(head, b"Forwarded") == elements + b', for=127.0.0.1;proto=http;host="a.example"'


@pytest.mark.parametrize(
    ("networks", "chain", "logged"),
    [
        ("127.0.0.0/8", b"192.0.2.66, 192.0.2.1", "192.0.2.1"),
        ("127.0.0.0/8", b"192.0.2.1, 127.0.0.9", "192.0.2.1"),
        ("127.0.0.0/8", b"192.0.2.1, nonsense", "127.0.0.1"),
        ("10.0.0.0/8", b"192.0.2.1", "127.0.0.1"),
    ],
)
@staged
async def test_the_log_has_the_client_whom_a_trusted_peer_names(
    stage: Stage, networks: str, chain: bytes, logged: str
) -> None:
    stage.edge.trusted_networks = (ip_network(networks),)
    client = await stage.client()
    client.send(lines(b"GET / HTTP/1.1", HOST_LINE, b"X-Forwarded-For: " + chain))
    Problem(await client.take_head() + await client.take_to(b"}\n"))
    assert (await stage.logged())["client"] == logged


@staged
async def test_a_trusted_peer_that_says_nothing_is_the_first_hop(stage: Stage) -> None:
    stage.edge.trusted_networks = (ip_network("127.0.0.1/32"),)
    client = await stage.client()
    client.send(get())
    await (await stage.cell.connection()).expect(got())


@staged
async def test_a_peer_outside_the_trusted_networks_is_not_trusted(stage: Stage) -> None:
    stage.edge.trusted_networks = (ip_network("10.0.0.0/8"), ip_network("::1/128"))
    client = await stage.client()
    client.send(ask(b"GET / HTTP/1.1", *FORGED))
    await (await stage.cell.connection()).expect(got())


@pytest.mark.parametrize("minor", [0, 1])
@staged
async def test_via_names_the_version_that_the_client_spoke(stage: Stage, minor: int) -> None:
    head = await seen_by_cell(stage, b"Via: 1.0 fred", start=b"GET / HTTP/1.%d" % minor)
    assert [line for line in head if line.startswith(b"Via")] == [
        b"Via: 1.0 fred",
        b"Via: 1.%d homecell" % minor,
    ]


@staged
async def test_fields_of_this_connection_are_not_passed_on(stage: Stage) -> None:
    client = await stage.client()
    client.send(
        ask(
            b"GET / HTTP/1.1",
            b"Connection: keep-alive, X-Hop",
            b"X-Hop: 1",
            b"X-Stays: 1",
            b"x-hop: 2",
            b"Keep-Alive: timeout=5",
            b"TE: trailers",
            b"Proxy-Connection: keep-alive",
            b"Proxy-Authorization: Basic YTpi",
            b"connection: x-other",
            b"X-Other: 3",
        )
    )
    cell = await stage.cell.connection()
    await cell.expect(asked(b"GET / HTTP/1.1", b"X-Stays: 1"))
    cell.send(answer(b"x"))
    await client.expect(answered(b"x"))


@staged
async def test_an_upgrade_is_not_asked_of_the_cell(stage: Stage) -> None:
    client = await stage.client()
    client.send(ask(b"GET / HTTP/1.1", b"Connection: Upgrade", b"Upgrade: websocket"))
    cell = await stage.cell.connection()
    await cell.expect(got())
    cell.send(answer(b"x"))
    await client.expect(answered(b"x"))


@staged
async def test_other_fields_keep_order_spelling_and_number(stage: Stage) -> None:
    fields = (b"accept:*/*", b"X-A: 1", b"x-a:2 ", b"X-Empty:", b"X-High: \xff\x80", b"Accept: text/plain")
    client = await stage.client()
    client.send(ask(b"GET /path?query=%20&x HTTP/1.1", *fields))
    await (await stage.cell.connection()).expect(asked(b"GET /path?query=%20&x HTTP/1.1", *fields))


@pytest.mark.parametrize(
    ("target", "passed"),
    [
        (b"http://a.example/x?y", b"/x?y"),
        (b"http://a.example", b"/"),
        (b"HTTP://A.example?x", b"/?x"),
        (b"/%2e%2e/x//y/../z", b"/%2e%2e/x//y/../z"),
    ],
)
@staged
async def test_a_target_reaches_the_cell_in_origin_form(stage: Stage, target: bytes, passed: bytes) -> None:
    client = await stage.client()
    client.send(ask(b"GET " + target + b" HTTP/1.1"))
    await (await stage.cell.connection()).expect(asked(b"GET " + passed + b" HTTP/1.1"))


@staged
async def test_options_for_the_server_as_a_whole(stage: Stage) -> None:
    client = await stage.client()
    client.send(ask(b"OPTIONS * HTTP/1.1"))
    await (await stage.cell.connection()).expect(asked(b"OPTIONS * HTTP/1.1"))


@staged
async def test_the_log_holds_the_path_without_its_query(stage: Stage) -> None:
    client = await stage.client()
    client.send(get(b"/path?token=secret"))
    cell = await stage.cell.connection()
    await cell.expect(got(b"/path?token=secret"))
    cell.send(answer(b"hello"))
    await client.expect(answered(b"hello"))
    line = await stage.logged()
    assert (line["method"], line["path"], line["status"], line["reply_bytes"]) == ("GET", "/path", 200, 5)
    assert (line["client"], line["request_id"], line["attempts"]) == ("127.0.0.1", "r-1", 1)
