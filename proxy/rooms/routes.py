"""Routes: which rules hold for a path, judged as a cell would understand it and not as it is spelled."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from typing import Final
from urllib.parse import unquote_to_bytes

_ENDS: Final = b"/?"


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
    """

    __slots__ = ("anonymous", "body_limit_bytes", "prefix", "static")

    def __init__(
        self, prefix: bytes, anonymous: bool, static: StaticReply | None, body_limit_bytes: int
    ) -> None:
        self.prefix = prefix
        self.anonymous = anonymous
        self.static = static
        self.body_limit_bytes = body_limit_bytes


class Routes:
    """All routes, longest prefix first."""

    __slots__ = ("_default", "_routes")

    def __init__(self, routes: Sequence[Route]) -> None:
        ordered = sorted(routes, key=_prefix_length, reverse=True)
        self._default: Route | None = None
        if ordered and ordered[-1].prefix == b"/":
            self._default = ordered.pop()
        self._routes = tuple(ordered)

    def find(self, target: bytes) -> Route | None:
        """The route of a target in origin form (or `*`), None if none holds."""
        if not self._routes:
            return self._default
        path = target
        if b"%" in path or b"/." in path or b"//" in path:
            path = _normal(path.partition(b"?")[0])
        for route in self._routes:
            prefix = route.prefix
            if path.startswith(prefix) and (len(path) == len(prefix) or path[len(prefix)] in _ENDS):
                return route
        return self._default


def _prefix_length(route: Route) -> int:
    return len(route.prefix)


def _normal(path: bytes) -> bytes:
    """Percent-decoded, without empty and dot segments: /a/%2e%2e//b is /b. A `%3F` begins no query."""
    normal = posixpath.normpath(unquote_to_bytes(path))
    return b"/" + normal.lstrip(b"/").replace(b"?", b"%3F")
