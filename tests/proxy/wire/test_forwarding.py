"""Whom a trusted balancer names as the client, and how that is told on."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.wire.forwarding import client_named, extended

TRUSTED = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


def trusts(address: str) -> bool:
    literal = ip_address(address)
    return any(literal in network for network in TRUSTED)


@pytest.mark.parametrize(
    ("told", "client"),
    [
        ([b"X-Forwarded-For: 192.0.2.1"], "192.0.2.1"),
        ([b"X-Forwarded-For: 192.0.2.66, 192.0.2.1"], "192.0.2.1"),
        ([b"X-Forwarded-For: 192.0.2.66, 192.0.2.1, 10.0.0.2,10.0.0.3"], "192.0.2.1"),
        ([b"X-Forwarded-For: 192.0.2.66", b"x-forwarded-for:192.0.2.1", b"Forwarded: b"], "192.0.2.1"),
        ([b"X-Forwarded-For: 192.0.2.1:4711"], "192.0.2.1"),
        ([b"X-Forwarded-For: 2001:DB8:0::1"], "2001:db8::1"),
        ([b"X-Forwarded-For: [2001:db8::1]:4711, fd00::1"], "2001:db8::1"),
        ([b"X-Forwarded-For: ::ffff:192.0.2.1, ::ffff:10.0.0.1"], "192.0.2.1"),
        ([b"X-Forwarded-For: 192.0.2.1", b"Forwarded: for=192.0.2.2"], "192.0.2.1"),
        ([b'Forwarded: for=192.0.2.66, for="[2001:db8::1]:80";proto=https, for=10.0.0.1'], "2001:db8::1"),
        ([b'Forwarded: for="192.0.2.66', b'Forwarded: for=192.0.2.1;host="a.example"'], "192.0.2.1"),
    ],
)  # fmt: skip
def test_the_client_is_the_right_most_address_that_is_no_trusted_hop(told: list[bytes], client: str) -> None:
    assert client_named(told, trusts) == client


@pytest.mark.parametrize(
    "told",
    [
        [],
        [b"X-Forwarded-Proto: https"],
        [b"X-Forwarded-For: 10.0.0.1, 10.0.0.2"],
        [b"X-Forwarded-For: 192.0.2.1, unknown"],
        [b"X-Forwarded-For: 192.0.2.1, "],
        [b"X-Forwarded-For: 192.0.2.1, 999.0.2.1, 10.0.0.1"],
        [b'X-Forwarded-For: 192.0.2.1, "}\n{'],
        [b"X-Forwarded-For: fe80::1%eth0"],
        [b"X-Forwarded-For: \xb2.0.2.1"],
        [b"Forwarded: for=_hidden"],
        [b"X-Forwarded-For: 192.0.2.1" + b", 10.0.0.1" * 16],
    ],
)
def test_where_nobody_usable_is_named_there_is_no_client(told: list[bytes]) -> None:
    assert client_named(told, trusts) == ""


def test_a_quote_that_is_never_closed_hides_nothing_that_a_balancer_says() -> None:
    told = [b'Forwarded: for="192.0.2.66;host="x', b'Forwarded: for=192.0.2.1;host="public.example"']
    lines = extended(told, b"10.0.0.1", b"10.0.0.1", b"a.example").split(b"\r\n")
    assert b"X-Forwarded-For: 192.0.2.1, 10.0.0.1" in lines
    assert b"X-Forwarded-Host: public.example" in lines


@pytest.mark.parametrize("name", [b"X-Forwarded-For: ", b"Forwarded: "])
def test_of_a_made_up_chain_only_the_last_hops_are_told_in_the_other_family(name: bytes) -> None:
    each = b"" if name.startswith(b"X") else b"for="
    hops = [each + b"192.0.2.%d" % (number % 99) for number in range(3000)]
    chain = b",".join(hops)
    lines = extended([name + chain], b"10.0.0.1", b"10.0.0.1", b"a.example").split(b"\r\n")
    fields = dict(line.split(b": ", 1) for line in lines)
    own = fields[name[:-2]]
    other = fields[b"Forwarded" if name.startswith(b"X") else b"X-Forwarded-For"]
    assert own.startswith(chain + b", ")
    assert [hop.strip()[-4:] for hop in other.split(b",")[:-1]] == [hop[-4:] for hop in hops[-16:]]


@given(st.lists(st.sampled_from((b"X-Forwarded-For:", b"Forwarded: for="))), st.binary(max_size=60))
def test_whatever_is_named_only_an_ip_literal_is_taken(names: list[bytes], value: bytes) -> None:
    client = client_named([name + value for name in names], trusts)
    assert client == "" or str(ip_address(client)) == client
