"""The feed's stream in Redis: its names, and the scripts that change it, each one atomic step.

A generation lives on one Redis process: `run_id` in the head says which. On any other one, be it restarted or
promoted, events may be missing, so nothing is appended there until a relay begins a new generation. Nor where
somebody else took events away: Redis that needed the memory, or a command. Only a publisher takes the oldest,
and notes in the head which one is the `first` that is left; from there to the last, all must be there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from lookup.outbox import FeedLostError
from lookup.redis_clients import RedisClient, port_errors


@dataclass(frozen=True, slots=True)
class FeedNames:
    """Of one feed. The braces keep all of it in one slot of a Cluster."""

    feed: str = "homecell"

    @property
    def head(self) -> str:
        """A hash: where the feed stands."""
        return f"{{{self.feed}:feed}}:head"

    @property
    def duty(self) -> str:
        """Which of the relays keeps the feed."""
        return f"{{{self.feed}:feed}}:duty"

    def events(self, generation: str) -> str:
        """A stream: s = sequence, c = the change, m = when the key moved, if it did."""
        return f"{{{self.feed}:feed}}:{generation}:events"

    def beats(self, generation: str) -> str:
        """A stream of one entry, the last heartbeat: s = the last event's sequence then."""
        return f"{{{self.feed}:feed}}:{generation}:beats"

    def operations(self, generation: str) -> str:
        """A sorted set of the operations that were appended lately."""
        return f"{{{self.feed}:feed}}:{generation}:operations"


@dataclass(frozen=True, slots=True)
class FeedPosition:
    """Where the feed stands on the server that was asked.

    last_id      stream id of the last event, "0-0" before the first
    beat_id      stream id of the last heartbeat, "0-0" before the first
    beat_age_s   seconds since then, by Redis's own clock
    is_complete  whether the generation holds every move that its history claims
    """

    generation: str
    sequence: int
    last_id: str
    beat_id: str
    beat_age_s: float
    is_complete: bool
    covers_since_s: float


_HAS_HOLES: Final = -1

_HEAD: Final = """
local head = redis.call('HMGET', KEYS[1], 'generation', 'run_id', 'sequence', 'last_id', 'complete', 'first')
local run_id = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
local time = redis.call('TIME')
local now_s = tonumber(time[1]) + tonumber(time[2]) / 1000000
local lives, has_holes, first = head[1] and head[2] == run_id, false, 1
if lives then
    local events = string.gsub(KEYS[1], 'head$', head[1] .. ':events')
    if head[6] then
        first = tonumber(head[6])
    else
        local oldest = redis.call('XRANGE', events, '-', '+', 'COUNT', 1)[1]
        first = oldest and tonumber(oldest[2][2]) or 1
    end
    has_holes = redis.call('XLEN', events) ~= tonumber(head[3]) - first + 1
    lives = not has_holes
end
"""
"""No `first` in the head: an older program keeps this feed, and whatever is there may be the first."""

POSITION: Final = (
    _HEAD
    + """
if has_holes then return -1 end
if not lives then return false end
local beat = redis.call('HMGET', KEYS[1], 'beat_id', 'beat_at_s', 'covers_since_s')
local age_s = beat[2] and (now_s - tonumber(beat[2])) or 1e9
return {head[1], head[3], head[4], beat[1] or '0-0', tostring(age_s), head[5], beat[3]}
"""
)
"""KEYS: head. Nothing when there is no feed here. -1: events of it are gone."""

APPEND: Final = (
    _HEAD
    + """
if not lives or head[1] ~= ARGV[1] then return -1 end
local sequence, last_id, added = tonumber(head[3]), head[4], 0
if head[5] == '0' and ARGV[5] == '1' then
    redis.call('HSET', KEYS[1], 'begun_at_s', string.format('%.3f', now_s))
end
for index = 6, #ARGV, 3 do
    if redis.call('ZADD', KEYS[3], 'NX', now_s, ARGV[index]) == 1 then
        sequence = sequence + 1
        added = added + 1
        last_id = redis.call('XADD', KEYS[2], '*', 's', sequence, 'c', ARGV[index + 1], 'm', ARGV[index + 2])
    end
end
redis.call('HSET', KEYS[1], 'sequence', sequence, 'last_id', last_id)
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now_s - tonumber(ARGV[4]))
for _, entry in ipairs(redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', added + 4)) do
    local fields = entry[2]
    local old = tonumber(string.match(entry[1], '^%d+')) / 1000 < now_s - tonumber(ARGV[2])
    if not old and tonumber(fields[2]) > sequence - tonumber(ARGV[3]) then break end
    local covers_s = tonumber(redis.call('HGET', KEYS[1], 'covers_since_s'))
    local moved_at = fields[6]
    if moved_at ~= '' and tonumber(moved_at) > now_s + 3600 then
        moved_at = string.format('%.3f', now_s + 3600)
    end
    if moved_at ~= '' and tonumber(moved_at) > covers_s then
        redis.call('HSET', KEYS[1], 'covers_since_s', moved_at)
    end
    redis.call('XDEL', KEYS[2], entry[1])
    first = tonumber(fields[2]) + 1
end
redis.call('HSET', KEYS[1], 'first', first)
return sequence
"""
)
"""KEYS: head, events, operations. ARGV: generation, keep_s, keep_events, seconds for which an operation is
remembered, 1 from the relay that is completing the generation: its time begins anew; then for each event its
operation, change, time of the move or "".
A time more than an hour ahead is a wrong one. -1: the feed is lost."""

BEAT: Final = (
    _HEAD
    + """
if not lives or head[1] ~= ARGV[1] then return -1 end
if head[5] == '0' then return -2 end
local id = redis.call('XADD', KEYS[2], 'MAXLEN', '=', '1', '*', 's', head[3])
redis.call('HSET', KEYS[1], 'beat_id', id, 'beat_at_s', string.format('%.3f', now_s), 'first', first)
return tonumber(head[3])
"""
)
"""KEYS: head, beats. ARGV: generation. -1: the feed is lost. -2: the generation is not complete."""

BEGIN: Final = (
    _HEAD
    + """
if lives and head[5] == '0' and head[1] == ARGV[1] then
    if tonumber(redis.call('HGET', KEYS[1], 'covers_since_s')) < tonumber(ARGV[2]) then
        redis.call('HSET', KEYS[1], 'covers_since_s', ARGV[2])
    end
    redis.call('HSET', KEYS[1], 'begun_at_s', string.format('%.3f', now_s))
    return 1
end
local begun = redis.call('HGET', KEYS[1], 'begun_at_s')
local has_time = lives and head[1] ~= ARGV[4] and math.abs(now_s - tonumber(begun)) < tonumber(ARGV[3])
if lives and head[5] == '1' or has_time then return 0 end
if head[1] then
    for _, kind in ipairs({'events', 'beats', 'operations'}) do
        redis.call('DEL', string.gsub(KEYS[1], 'head$', head[1] .. ':' .. kind))
    end
end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'generation', ARGV[1], 'run_id', run_id, 'sequence', 0, 'last_id', '0-0',
    'first', 1, 'complete', 0, 'covers_since_s', ARGV[2], 'begun_at_s', string.format('%.3f', now_s))
return 1
"""
)
"""KEYS: head. ARGV: new generation (it was begun already when the reply to that was lost); covers_since_s;
seconds that another relay has, since it began a generation or added to it, for going on with it; the one
that this relay began last and did not complete. 0: there is a feed, or another relay is about to."""

COMPLETE: Final = (
    _HEAD
    + """
if not lives or head[1] ~= ARGV[1] then return -1 end
redis.call('HSET', KEYS[1], 'complete', 1)
return 0
"""
)
"""KEYS: head. ARGV: generation. -1: the feed is lost."""

COVER: Final = (
    _HEAD
    + """
if not lives or head[1] ~= ARGV[1] then return -1 end
if tonumber(redis.call('HGET', KEYS[1], 'covers_since_s')) < tonumber(ARGV[2]) then
    redis.call('HSET', KEYS[1], 'covers_since_s', ARGV[2])
end
return 0
"""
)
"""KEYS: head. ARGV: generation, Unix seconds: moves up to then may be missing. -1: the feed is lost."""


EVICTION: Final = "return string.match(redis.call('INFO', 'memory'), 'maxmemory_policy:([%w-]+)') or ''"
"""KEYS: head. What the server that holds it takes away when it has no memory left."""


async def run_script(client: RedisClient, script: str, names: list[str], arguments: list[str]) -> object:
    """What the script returns. Raises StoreUnavailableError."""
    with port_errors():
        answer: object = await client.execute_command("EVAL", script, len(names), *names, *arguments)
    return answer


async def read_position(client: RedisClient, names: FeedNames) -> FeedPosition:
    """Where the feed stands. Raises FeedLostError or StoreUnavailableError."""
    answer = await run_script(client, POSITION, [names.head], [])
    if answer == _HAS_HOLES:
        raise FeedLostError(
            "events of the change feed are gone from Redis: evicted, deleted or trimmed by somebody else; "
            "an edge or lookup service that runs begins it anew"
        )
    if not isinstance(answer, list):
        raise FeedLostError(
            "Redis was restarted, emptied or replaced, and holds no change feed: "
            "an edge or lookup service that runs begins it anew"
        )
    generation, sequence, last_id, beat_id, age_s, is_complete, covers_since_s = (
        field.decode() for field in answer
    )
    return FeedPosition(
        generation,
        int(sequence),
        last_id,
        beat_id,
        float(age_s),
        is_complete == "1",
        float(covers_since_s),
    )
