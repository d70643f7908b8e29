"""A client's connections to the lookup service: requests, credentials, what its refusals mean."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Final, TypeVar

import aiohttp

from lookup.ports import StoreForbiddenError, StoreUnavailableError, StoreUnusableError
from lookup.service.forms import Json
from lookup.web_errors import in_words

T = TypeVar("T")

_TIMEOUT_S: Final = 12.0
_CONNECT_S: Final = 2.0
_LINES_S: Final = 120.0
_SILENT_S: Final = 5.0
"""The feed has a heartbeat every second."""


class ServiceLink:
    """Usable from one event loop, from its first use to `close`."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url.rstrip("/")
        self._token = token
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    async def call(self, method: str, path: str, form: Json, decode: Callable[[object], T]) -> T:
        """What the service answers. Raises what `accept` does."""
        return self.read(*await self.exchange(method, path, form), decode)

    def read(self, status: int, answer: object, decode: Callable[[object], T]) -> T:
        """What an accepted answer says. Raises what `accept` does."""
        self.accept(status, answer)
        try:
            return decode(answer)
        except ValueError as error:
            raise StoreUnusableError(
                f"{self.url}: answers otherwise than a lookup service ({error}); correct the URL"
            ) from error

    async def exchange(self, method: str, path: str, form: Json = None) -> tuple[int, object]:
        """Status and parsed body, None for one that is no JSON. Raises StoreUnavailableError."""
        body = None if form is None else json.dumps(form, ensure_ascii=False).encode()
        try:
            async with self._open().request(method, f"{self.url}{path}", data=body) as response:
                return response.status, parsed(await response.read())
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise StoreUnavailableError(f"{self.url}: no answer ({in_words(error)})") from error

    def stream(self, path: str) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        """A reply that goes on for as long as something comes every few seconds."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S, sock_read=_SILENT_S)
        return self._open().get(f"{self.url}{path}", timeout=timeout)

    async def lines(self, path: str) -> AsyncGenerator[object, None]:
        """What a reply of lines of JSON says, line by line, with a turn of the loop after each; None for one
        that is no JSON. Raises what `accept` does."""
        timeout = aiohttp.ClientTimeout(total=_LINES_S, sock_connect=_CONNECT_S, sock_read=_TIMEOUT_S)
        try:
            async with self._open().get(f"{self.url}{path}", timeout=timeout) as response:
                if response.status != 200:
                    self.accept(response.status, parsed(await response.read()))
                async for line in _whole_lines(response.content.iter_any()):
                    yield parsed(line)
                    await asyncio.sleep(0)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise StoreUnavailableError(f"{self.url}: no answer ({in_words(error)})") from error

    def accept(self, status: int, answer: object) -> None:
        """Nothing for a success. Raises ValueError, StoreUnusableError or StoreUnavailableError."""
        if status in (200, 202):
            return
        detail = answer.get("detail", "") if isinstance(answer, dict) else ""
        told = f"{self.url}: {status} {detail}".rstrip()
        if status in (400, 409):
            raise ValueError(told)
        if status in (401, 403):
            raise StoreForbiddenError(f"{told}; give this client a token of the service that permits it")
        if status in (404, 405, 413):
            raise StoreUnusableError(f"{told}; is this the URL of a lookup service of the same version?")
        if status == 501:
            raise StoreUnusableError(told)
        raise StoreUnavailableError(told)

    async def close(self) -> None:
        """Close the connections; later requests raise StoreUnavailableError."""
        self._closed = True
        if self._session is not None:
            await self._session.close()

    def _open(self) -> aiohttp.ClientSession:
        if self._closed:
            raise StoreUnavailableError("the store is closed")
        if self._session is None:
            self._session = aiohttp.ClientSession(
                headers={"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"},
                timeout=aiohttp.ClientTimeout(total=_TIMEOUT_S, sock_connect=_CONNECT_S),
            )
        return self._session


async def _whole_lines(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The lines, however long; the last one may end without a line feed."""
    begun: list[bytes] = []
    async for piece in pieces:
        *ended, rest = piece.split(b"\n")
        for line in ended:
            yield b"".join((*begun, line))
            begun.clear()
        begun.append(rest)
    if any(begun):
        yield b"".join(begun)


def parsed(body: bytes) -> object:
    """The JSON, None when it is none: the status says enough then."""
    try:
        found: object = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return found


def slug(answer: object) -> str:
    """Which problem it is, "" when it is none."""
    kind = answer.get("type") if isinstance(answer, dict) else None
    return kind.rpartition("/")[2] if isinstance(kind, str) else ""
