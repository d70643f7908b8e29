"""A server that speaks Redis's protocol and answers what a test tells it to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from lookup.redis_clients import RedisSettings

Answer = Callable[[Sequence[bytes]], bytes | None]
"""Of a command's words; None: it hangs up."""


class ScriptedRedis:
    """`asked` are the commands, `connections` how often it was dialled. What it answers may be replaced."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.pong = b"+PONG\r\n"
        self.asked: list[Sequence[bytes]] = []
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                words = await _command(reader)
                self.asked.append(words)
                said = self.pong if words == [b"PING"] else self.answer(words)
                if said is None:
                    break
                writer.write(said)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def scripted_redis(answer: Answer) -> AsyncIterator[tuple[ScriptedRedis, RedisSettings]]:
    """Whoever is silent on purpose is left to tests that set a shorter patience."""
    scripted = ScriptedRedis(answer)
    server = await asyncio.start_server(scripted.serve, "127.0.0.1", 0)
    try:
        host, port = server.sockets[0].getsockname()
        yield scripted, RedisSettings(((host, port),), connect_timeout_s=20.0, reply_timeout_s=20.0)
    finally:
        server.close()
        await server.wait_closed()


def array(*values: bytes | None) -> bytes:
    """As MGET answers."""
    spelled = (b"$-1\r\n" if value is None else b"$%d\r\n%b\r\n" % (len(value), value) for value in values)
    return b"*%d\r\n%b" % (len(values), b"".join(spelled))


async def _command(reader: asyncio.StreamReader) -> list[bytes]:
    words = []
    for _ in range(int((await reader.readuntil(b"\r\n"))[1:])):
        length = int((await reader.readuntil(b"\r\n"))[1:])
        words.append((await reader.readexactly(length + 2))[:-2])
    return words
