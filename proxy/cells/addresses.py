"""Addresses of endpoints: names are resolved off the request path, and the last good answer is kept."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

REFRESH_S: Final = 30.0

_log = logging.getLogger("homecell.addresses")


async def system_addresses(name: str) -> list[str]:
    """What the system's resolver answers. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(name, None, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


class Addresses:
    """IP literals of host names. `refresh` asks the resolver; `of` never waits.

    resolve     answers for one name, or raises OSError
    """

    __slots__ = ("_asking", "_known", "_names", "_resolve")

    def __init__(
        self, hosts: Iterable[str], resolve: Callable[[str], Awaitable[list[str]]] = system_addresses
    ) -> None:
        self._names = sorted({host for host in hosts if not _is_literal(host)})
        self._resolve = resolve
        self._known: dict[str, tuple[str, ...]] = {}
        self._asking: dict[str, asyncio.Task[None]] = {}

    def of(self, host: str) -> tuple[str, ...]:
        """The addresses of a host: itself if it is a literal, () while its name was never resolved."""
        if host in self._known:
            return self._known[host]
        return (host,) if host not in self._names else ()

    async def refresh(self, within_s: float = REFRESH_S) -> None:
        """Resolve every name once, beside each other; one that fails keeps its last good addresses.

        Returns after `within_s` at the latest; an answer that takes longer counts when it comes.
        """
        for name in self._names:
            if name not in self._asking:
                self._asking[name] = asyncio.create_task(self._ask(name))
        if self._asking:
            await asyncio.wait(list(self._asking.values()), timeout=within_s)

    async def _ask(self, name: str) -> None:
        try:
            self._known[name] = tuple(dict.fromkeys(await self._resolve(name)))
        except OSError as error:
            _log.warning("cannot resolve %s: %s; keeping %s", name, error, self._known.get(name, "nothing"))
        finally:
            del self._asking[name]

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
