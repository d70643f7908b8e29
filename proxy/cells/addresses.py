"""Addresses of endpoints: names are resolved off the request path, and the last good answer is kept."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
from collections.abc import Iterable
from typing import Final

REFRESH_S: Final = 30.0

_log = logging.getLogger("homecell.addresses")


class Addresses:
    """IP literals of host names. `refresh` asks the system's resolver; `of` never waits."""

    __slots__ = ("_known", "_names")

    def __init__(self, hosts: Iterable[str]) -> None:
        self._names = sorted({host for host in hosts if not _is_literal(host)})
        self._known: dict[str, tuple[str, ...]] = {}

    def of(self, host: str) -> tuple[str, ...]:
        """The addresses of a host: itself if it is a literal, () while its name was never resolved."""
        if host in self._known:
            return self._known[host]
        return (host,) if host not in self._names else ()

    async def refresh(self) -> None:
        """Resolve every name once; one that fails keeps its last good addresses."""
        loop = asyncio.get_running_loop()
        for name in self._names:
            try:
                found = await loop.getaddrinfo(name, None, type=socket.SOCK_STREAM)
            except OSError as error:
                _log.warning(
                    "cannot resolve %s: %s; keeping %s", name, error, self._known.get(name, "nothing")
                )
                continue
            self._known[name] = tuple(dict.fromkeys(str(entry[4][0]) for entry in found))

    async def keep_fresh(self) -> None:
        """Resolve again and again, for as long as the worker lives."""
        while self._names:
            await asyncio.sleep(REFRESH_S)
            await self.refresh()


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
