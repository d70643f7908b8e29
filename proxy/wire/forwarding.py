"""What a trusted peer said of who is behind it, in either of the two families of fields, told on in both.

A balancer that speaks only X-Forwarded-* must not let the cell take the balancer for the client because the
cell reads Forwarded (RFC 7239), nor the other way round. What only one family says is put into the other.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address
from typing import Final

_FOR: Final = re.compile(rb'(?:^|[;, \t])for=(?:"([^"\\,;]*)"|([^;, \t"]+))', re.IGNORECASE)
_PROTO: Final = re.compile(rb'(?:^|[;, \t])proto="?([A-Za-z][A-Za-z0-9+.-]*)"?', re.IGNORECASE)
_HOST: Final = re.compile(rb'(?:^|[;, \t])host=(?:"([^"\\,;]*)"|([^;, \t"]+))', re.IGNORECASE)
_WITH_PORT: Final = re.compile(rb"(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+))(?::[0-9]+)?")
_IN_TEXT: Final = re.compile(rb"[A-Za-z0-9._~:\[\]-]+")
_SCHEME: Final = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*")
_LITERAL: Final = re.compile(rb"[0-9A-Fa-f:.]+")
_MOST_HOPS: Final = 16
"""As many are looked at, the last ones: a chain can be made up, and each costs microseconds."""

_Values = dict[bytes, list[bytes]]


def extended(told: list[bytes], address: bytes, node: bytes, host: bytes) -> bytes:
    """The lines for the cell, joined by CRLF: the peer's own with this hop added at the end.

    told            lines of Forwarded and X-Forwarded-* as the peer sent them
    address, node   the peer's, as X-Forwarded-For and as Forwarded want it
    host            what the request asked for
    """
    values = _values(told)
    forwarded = values.get(b"forwarded", [])
    clients = _clients(values)
    proto = values.get(b"x-forwarded-proto", [b""])[-1]
    named = values.get(b"x-forwarded-host", [b""])[-1]
    if not forwarded:
        forwarded = _as_forwarded(clients, proto, named)
    else:
        elements = b", ".join(forwarded)
        proto = proto or _said(_PROTO.search(elements))
        named = named or _said(_HOST.search(elements))
    hop = b'for=%b;proto=http;host="%b"' % (node, host)
    return b"\r\n".join(
        (
            b"X-Forwarded-For: " + b", ".join([*clients, address]),
            b"X-Forwarded-Proto: " + (proto or b"http"),
            b"X-Forwarded-Host: " + (named or host),
            b"Forwarded: " + b", ".join([*forwarded, hop]),
        )
    )


def client_named(told: list[bytes], trusts: Callable[[str], bool]) -> str:
    """The IP literal of who came to the outermost of the trusted: what he said himself is further left.

    told    as above
    trusts  whether an IP literal is a trusted hop
    "" when the trusted name nobody else, or name him by something that is no IP literal.
    """
    for named in reversed(_last_hops(_clients(_values(told)))):
        literal = _literal(named.strip(b" \t"))
        if not literal or not trusts(literal):
            return literal
    return ""


def _values(told: list[bytes]) -> _Values:
    """By name in lower case, in order."""
    values: _Values = {}
    for line in told:
        name, _, value = line.partition(b":")
        values.setdefault(name.lower(), []).append(value.strip(b" \t"))
    return values


def _clients(values: _Values) -> list[bytes]:
    """As X-Forwarded-For tells them, or else Forwarded; each may be several with commas between them."""
    told = values.get(b"x-forwarded-for", [])
    hops = b",".join(_last_hops(values.get(b"forwarded", [])))
    return told or [_bare(_said(found)) for found in _FOR.finditer(hops)]


def _last_hops(told: list[bytes]) -> list[bytes]:
    """The elements of a field that tells of one hop after the other."""
    return b",".join(told).rsplit(b",", _MOST_HOPS)[-_MOST_HOPS:]


def _literal(client: bytes) -> str:
    """The IP literal in its usual spelling, without a port; "" when it is none."""
    bare = _bare(client)
    if not _LITERAL.fullmatch(bare):
        return ""
    try:
        address = ip_address(bare.decode())
    except ValueError:
        return ""
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(address)


def _said(found: re.Match[bytes] | None) -> bytes:
    return b"" if found is None else b"".join(found.groups(b""))


def _bare(client: bytes) -> bytes:
    """An address as X-Forwarded-For has it: no brackets, no port. Names like `unknown` stay."""
    found = _WITH_PORT.fullmatch(client)
    return client if found is None else found[1] or found[2]


def _as_forwarded(clients: list[bytes], proto: bytes, host: bytes) -> list[bytes]:
    """Elements of Forwarded that say the same: what was asked for, and how, belongs to the first."""
    elements = [b"for=" + _node(client.strip(b" \t")) for client in _last_hops(clients)]
    if _SCHEME.fullmatch(proto):
        elements[0] += b";proto=" + proto
    if _IN_TEXT.fullmatch(host):
        elements[0] += b';host="%b"' % host
    return elements


def _node(client: bytes) -> bytes:
    """A node (RFC 7239, section 6): IPv6 in brackets and quotes; what can't be one is `unknown`."""
    if not client or not _IN_TEXT.fullmatch(client):
        return b"unknown"
    if client.count(b":") > 1 and not client.startswith(b"["):
        client = b"[%b]" % client
    return client if not client.count(b":") else b'"%b"' % client
