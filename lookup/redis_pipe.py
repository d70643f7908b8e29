"""One connection to a Redis on which several commands are under way: the answers come in the commands' order.

Knows the protocol and nothing of what is asked, of addresses or of passwords.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Final, cast

import hiredis

from lookup.lateness import loop_turns
from lookup.ports import StoreUnavailableError

_ARGUMENTS: Final = ", with args"
"""From here on Redis repeats what it was asked: keys, which must not get into a log."""


class _Asked:
    """A command that was sent: who waits for its answer, and since when (loop time)."""

    __slots__ = ("answer", "at_s")

    def __init__(self, answer: asyncio.Future[object], at_s: float) -> None:
        self.answer = answer
        self.at_s = at_s


class RedisPipe(asyncio.Protocol):
    """Built inside the running loop, as the protocol of a connection; only the loop's thread uses it.

    Whoever stops waiting is passed over when his answer comes, so that it is nobody else's. When an answer is
    overdue or can't be one, the connection ends, and with it everything under way.
    """

    def __init__(self, reply_timeout_s: float) -> None:
        self._reply_timeout_s = reply_timeout_s
        self._loop = asyncio.get_running_loop()
        self._reader = hiredis.Reader()
        self._asked: deque[_Asked] = deque()
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._check: asyncio.Task[None] | None = None
        self._ended = "the connection is closed"

    @property
    def is_open(self) -> bool:
        """Whether a command can be sent."""
        return self._transport is not None and not self._transport.is_closing()

    def ask(self, words: Sequence[str]) -> asyncio.Future[object]:
        """Send a command; its answer. Raises StoreUnavailableError, now or from the future.

        The future may be cancelled.
        """
        transport = self._transport
        if transport is None or transport.is_closing():
            raise StoreUnavailableError(f"Redis: {self._ended}")
        answer: asyncio.Future[object] = self._loop.create_future()
        self._asked.append(_Asked(answer, self._loop.time()))
        if self._timer is None:
            self._timer = self._loop.call_later(self._reply_timeout_s, self._look_for_overdue)
        transport.write(hiredis.pack_command(tuple(words)))  # type: ignore[arg-type]  # its stub takes one word
        return answer

    def end(self, reason: str) -> None:
        """Hang up; what is under way fails for that reason."""
        transport, self._transport = self._transport, None
        if transport is None:
            return
        self._ended = reason
        transport.abort()
        if self._timer is not None:
            self._timer.cancel()
        if self._check is not None:
            self._check.cancel()
        asked, self._asked = self._asked, deque()
        for each in asked:
            if not each.answer.done():
                each.answer.set_exception(StoreUnavailableError(f"Redis: {reason}"))
                each.answer.exception()  # nobody may wait for it any more

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio.Protocol's."""
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, error: Exception | None) -> None:
        """asyncio.Protocol's."""
        self.end(f"the connection broke ({error})" if error else "it hung up")

    def data_received(self, data: bytes) -> None:
        """asyncio.Protocol's. A part of an answer is kept until the rest has come."""
        try:
            self._reader.feed(data)
            while (reply := self._reader.gets()) is not False:
                self._take(reply)
        except hiredis.ProtocolError as error:
            self.end(f"it doesn't speak its protocol ({error})")

    def _take(self, reply: object) -> None:
        if not self._asked:
            self.end("it answers what nobody asked")
            return
        answer = self._asked.popleft().answer
        if answer.done():
            return
        if isinstance(reply, hiredis.ReplyError):
            answer.set_exception(StoreUnavailableError(f"Redis: {str(reply).partition(_ARGUMENTS)[0]}"))
        else:
            answer.set_result(reply)

    def _look_for_overdue(self) -> None:
        self._check = self._loop.create_task(self._end_if_overdue())

    async def _end_if_overdue(self) -> None:
        await loop_turns()
        self._timer = self._check = None
        if not self._asked:
            return
        due_s = self._asked[0].at_s + self._reply_timeout_s
        if due_s <= self._loop.time():
            self.end(f"no answer within {self._reply_timeout_s} s")
        else:
            self._timer = self._loop.call_at(due_s, self._look_for_overdue)
