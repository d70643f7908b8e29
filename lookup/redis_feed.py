"""Follows the change feed on a Redis stream. Every event carries generation and dense sequence, so that what
Redis lost, trimmed or forgot in a failover shows as a hole; it is the consumer who answers a hole."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from math import inf
from time import monotonic
from typing import Final

from lookup import feed_event
from lookup.aliases import left_mark
from lookup.ports import Change, History, KeyMove, StoreUnavailableError
from lookup.redis_clients import RedisClient, RedisSettings, open_client, port_errors
from lookup.redis_cursor import Cursor, Entry
from lookup.redis_feed_scripts import FeedNames, FeedPosition, read_position

_BLOCK_S: Final = 0.7
_SILENCE_S: Final = 2.5
"""Without a heartbeat for so long the feed counts as dead; relays beat every half second."""

_READ_AT_ONCE: Final = 500
_SCAN_AT_ONCE: Final = 2000


class RedisFeed:
    """Implements ports.ChangeFeed; each follower has a connection of its own."""

    def __init__(self, settings: RedisSettings, names: FeedNames | None = None) -> None:
        self._settings = settings
        self._names = names or FeedNames()
        self._closed = False
        self._clients: set[RedisClient] = set()

    async def follow(self) -> AsyncGenerator[Change, None]:
        """ports.ChangeFeed.follow. Nothing comes until a relay has beaten: without one the feed says nothing
        of the truth."""
        client = self._open(_BLOCK_S + self._settings.reply_timeout_s)
        try:
            position = await read_position(client, self._names)
            cursor = Cursor(position, monotonic())
            changes = cursor.begin(position, monotonic())
            while True:
                for change in changes:
                    yield change
                changes = await self._read_on(client, cursor)
                if not changes:
                    changes = cursor.begin(await read_position(client, self._names), monotonic())
                if monotonic() > cursor.beaten_at_s + _SILENCE_S:
                    raise StoreUnavailableError(
                        f"nobody has kept the feed alive for {_SILENCE_S:g} s: an edge or lookup service "
                        "that reaches the store does"
                    )
        finally:
            await self._discard(client)

    async def history(self, since_s: float) -> History:
        """ports.ChangeFeed.history; scans the stream."""
        client = self._open(self._settings.reply_timeout_s)
        try:
            begun = await read_position(client, self._names)
            moves, unreadable_s = await self._moves(client, begun)
            ended = await read_position(client, self._names)  # knows what was trimmed meanwhile
        finally:
            await self._discard(client)
        if ended.generation != begun.generation or not ended.is_complete:
            raise StoreUnavailableError("the feed's history is being rebuilt")
        covers_since_s = max(since_s, ended.covers_since_s, unreadable_s)
        return History(covers_since_s, [move for move in moves if move.moved_at_s > since_s])

    async def close(self) -> None:
        """End all connections; followers get StoreUnavailableError."""
        self._closed = True
        for client in list(self._clients):
            await self._discard(client)

    def _open(self, reply_timeout_s: float) -> RedisClient:
        if self._closed:
            raise StoreUnavailableError("the feed is closed")
        client = open_client(self._settings, reply_timeout_s)
        self._clients.add(client)
        return client

    async def _discard(self, client: RedisClient) -> None:
        if client in self._clients:
            self._clients.discard(client)
            await client.aclose()

    async def _read_on(self, client: RedisClient, cursor: Cursor) -> list[Change]:
        """What comes within the blocking time; one command reads both streams, so they are of one moment."""
        events_name = self._names.events(cursor.generation)
        beats_name = self._names.beats(cursor.generation)
        with port_errors():
            answer: dict[bytes, list[list[Entry]]] = await client.execute_command(
                *("XREAD", "COUNT", _READ_AT_ONCE, "BLOCK", round(1000 * _BLOCK_S), "STREAMS"),
                *(events_name, beats_name, cursor.event_id, cursor.beat_id),
            )
        events: list[Entry] = answer.get(events_name.encode(), [[]])[0]
        beats: list[Entry] = answer.get(beats_name.encode(), [[]])[0]
        return cursor.take(events, beats, monotonic(), len(events) < _READ_AT_ONCE)

    async def _moves(self, client: RedisClient, position: FeedPosition) -> tuple[list[KeyMove], float]:
        """All moves in the stream, and the time of the last one that this program can't read."""
        events_name = self._names.events(position.generation)
        moves: list[KeyMove] = []
        unreadable_s = -inf
        first = "-"
        while True:
            with port_errors():
                entries: list[Entry] = await client.execute_command(
                    "XRANGE", events_name, first, "+", "COUNT", _SCAN_AT_ONCE
                )
            for _, fields in entries:
                if fields[b"m"]:
                    try:
                        moves.append(_move(fields))
                    except ValueError:
                        unreadable_s = max(unreadable_s, float(fields[b"m"]))
            if len(entries) < _SCAN_AT_ONCE:
                return moves, unreadable_s
            first = f"({entries[-1][0].decode()}"


def _move(fields: dict[bytes, bytes]) -> KeyMove:
    event = feed_event.decode("", fields[b"c"].decode())
    alias, record = event.alias, event.assignment
    if alias is not None:
        return KeyMove(alias.key, alias.epoch, alias.updated_at_s, left_mark(alias))
    if record is None:
        raise ValueError("an event of a flag can't move a key")
    return KeyMove(record.key, record.epoch, record.updated_at_s, event.left_cell)
