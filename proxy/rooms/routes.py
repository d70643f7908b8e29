"""Routes: which rules hold for a path, judged as a cell would understand it and not as it is spelled."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from typing import Final

_ENDS: Final = b"/?"
_PERCENT: Final = 0x25  # a number, because `in` is six times as fast with it as with b"%"
_SPELLED: Final = re.compile(rb"[%\\;]|/\.|//")
"""Where none of these stands, every reader of the path finds the same segments."""

_ODD: Final = re.compile(rb"[\x00-\x1f\x7f\\?#%]")
"""In a decoded path: ends it, parts it or is decoded again, for some readers and not for others."""

_ESCAPE: Final = re.compile(rb"%[0-9A-Fa-f]{2}")
_HEX_DIGITS: Final = "0123456789abcdefABCDEF"
_OCTETS: Final = {
    f"%{high}{low}".encode(): bytes((int(high + low, 16),)) for high in _HEX_DIGITS for low in _HEX_DIGITS
}


class StaticReply:
    """The reply that a route gives while the user's cell can't: status 100..599, media type, body."""

    __slots__ = ("body", "content_type", "status")

    def __init__(self, status: int, content_type: str, body: bytes) -> None:
        self.status = status
        self.content_type = content_type
        self.body = body


class Route:
    """The rules of one path prefix.

    prefix              path prefix, whole segments: `/a` holds for `/a` and `/a/b`, not for `/ab`
    anonymous           requests without a credential go to any serving cell of the edge's jurisdiction
    static              given to safe requests while the home cell can't answer; None: a 503 problem
    body_limit_bytes    the largest request body
    redirects           307 in place of 409 when the home has changed and the client must send it again
    guarded             the same rules with a credential needed
    """

    __slots__ = ("anonymous", "body_limit_bytes", "guarded", "prefix", "redirects", "static")

    def __init__(
        self,
        prefix: bytes,
        anonymous: bool,
        static: StaticReply | None,
        body_limit_bytes: int,
        redirects: bool = False,
    ) -> None:
        self.prefix = prefix
        self.anonymous = anonymous
        self.static = static
        self.body_limit_bytes = body_limit_bytes
        self.redirects = redirects
        self.guarded: Route = Route(prefix, False, static, body_limit_bytes, redirects) if anonymous else self


class Routes:
    """All routes, longest prefix first."""

    __slots__ = ("_default", "_prefixes", "_routes")

    def __init__(self, routes: Sequence[Route]) -> None:
        ordered = sorted(routes, key=_prefix_length, reverse=True)
        self._default: Route | None = None
        if ordered and ordered[-1].prefix == b"/":
            self._default = ordered.pop()
        self._routes = tuple(ordered)
        self._prefixes = tuple(route.prefix for route in ordered)

    def find(self, target: bytes) -> Route | None:
        """The route of a target in origin form (or `*`), None if none holds.

        An anonymous route is found only where every cell would see the path below its prefix: whoever can
        spell a path in two ways must not reach, without a credential, what needs one. Else it is `guarded`.
        """
        if not self._routes:
            return self._default
        path = target
        if _PERCENT in path or path.find(b"/.") >= 0 or path.find(b"//") >= 0:
            path = _normal(path.partition(b"?")[0])
        route = self._longest(path)
        if route is not None and route.anonymous and self._in_doubt(target.partition(b"?")[0], route):
            return route.guarded
        return route

    def _longest(self, path: bytes) -> Route | None:
        if not path.startswith(self._prefixes):
            return self._default
        for route in self._routes:
            prefix = route.prefix
            if path.startswith(prefix) and (len(path) == len(prefix) or path[len(prefix)] in _ENDS):
                return route
        return self._default

    def _in_doubt(self, path: bytes, route: Route) -> bool:
        """Whether some reader could see the path elsewhere than below the route.

        Readers decode before or after they part the path, or twice, take `\\` for `/`, cut `;parameters` off
        (so that `..;` climbs), drop empty and dot segments, or do none of it.
        """
        if _SPELLED.search(path) is None:
            return False
        decoded = _decoded(path)
        hidden = decoded.count(b"/") != path.count(b"/") or decoded.count(b";") != path.count(b";")
        if hidden or _ODD.search(decoded) is not None or not _is_utf8(decoded):
            return True
        segments = [segment.partition(b";")[0] for segment in decoded.split(b"/")]
        if any(segment.startswith(b"..") for segment in segments):
            return True
        least = b"/" + b"/".join([segment for segment in segments if segment and segment != b"."])
        return self._longest(decoded) is not route or self._longest(least) is not route


def _prefix_length(route: Route) -> int:
    return len(route.prefix)


def _normal(path: bytes) -> bytes:
    """Percent-decoded, without empty and dot segments: /a/%2e%2e//b is /b. A `%3F` begins no query."""
    normal = posixpath.normpath(_decoded(path))
    return b"/" + normal.lstrip(b"/").replace(b"?", b"%3F")


def _decoded(path: bytes) -> bytes:
    """Percent-decoded; what is no escape stays.

    urllib's decoding takes 13 ms for 16 KiB of nothing but `%`, from anybody, before it is known who asks.
    """
    return _ESCAPE.sub(_octet, path)


def _octet(escape: re.Match[bytes]) -> bytes:
    return _OCTETS[escape[0]]


def _is_utf8(path: bytes) -> bool:
    """Overlong forms are none: some decoders read a dot or a slash in them."""
    try:
        path.decode()
    except UnicodeDecodeError:
        return False
    return True
