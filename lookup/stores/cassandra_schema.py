"""The tables in Cassandra, and the steps by which an older keyspace becomes a present one.

Steps only add, so that programs of the version before go on working while and after a step is taken.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import uuid4

from lookup.ports import StoreUnavailableError, StoreUnusableError
from lookup.stores.cassandra_cluster import READ, deciding
from lookup.stores.cassandra_session import CassandraSession
from lookup.stores.cassandra_settings import CassandraSettings

_CLAIM_S: Final = 60
"""For so long one process has a step to itself; a process that died in it is then succeeded."""
_LOOK_AGAIN_S: Final = 0.2
_DAY_S: Final = 86_400
_FLEET: Final = "all"


@dataclass(frozen=True, slots=True)
class Step:
    """Statements that take a keyspace to `version`; each may be repeated.

    oldest_program   the lowest version that a program must know to work with the keyspace after this step
    """

    version: int
    oldest_program: int
    statements: tuple[str, ...]


STEPS: Final = (
    Step(
        1,
        1,
        (
            # left_cell: the home before. operations: the last few writes, newest first.
            """CREATE TABLE IF NOT EXISTS {keyspace}.home (
                key text PRIMARY KEY, cell text, jurisdiction text, epoch bigint, state tinyint,
                moved_to text, updated_at_s double, left_cell text, operations frozen<list<uuid>>
            )""",
            # All flags are one partition: read at once, and few.
            """CREATE TABLE IF NOT EXISTS {keyspace}.flag (
                fleet text, cell text, flag text, version bigint, reason text, author text, set_at_s double,
                expires_at_s double, operation uuid, PRIMARY KEY (fleet, cell)
            )""",
            # Writes under way, by the time when they began. A deleted row that came back would be harmless.
            """CREATE TABLE IF NOT EXISTS {keyspace}.outbox (
                bucket bigint, operation uuid, noted_at_s double, change text, PRIMARY KEY (bucket, operation)
            ) WITH gc_grace_seconds = 600""",
            # Moves that are in the feed, for when the feed is lost.
            f"""CREATE TABLE IF NOT EXISTS {{keyspace}}.published (
                bucket bigint, operation uuid, change text, PRIMARY KEY (bucket, operation)
            ) WITH default_time_to_live = {8 * _DAY_S} AND compaction = {{{{
                'class': 'TimeWindowCompactionStrategy', 'compaction_window_unit': 'DAYS',
                'compaction_window_size': 1
            }}}}""",
            # Times that only grow; each row's write timestamp is the time itself, so that the latest wins.
            "CREATE TABLE IF NOT EXISTS {keyspace}.mark (name text PRIMARY KEY, time_s double)",
        ),
    ),
    Step(
        2,
        1,
        (
            # Of the write that made the record: its operation, and the datacentre that decided it.
            "ALTER TABLE {keyspace}.home ADD IF NOT EXISTS operation uuid",
            "ALTER TABLE {keyspace}.home ADD IF NOT EXISTS decided_by text",
            # A replica that is frozen is known as such only after seconds: ask another one long before.
            "ALTER TABLE {keyspace}.home WITH speculative_retry = 'MIN(99p,20ms)'",
            # Who decides writes: the same for every program. placing is '' when all together decide.
            """CREATE TABLE IF NOT EXISTS {keyspace}.ownership (
                fleet text PRIMARY KEY, placing text, by_jurisdiction frozen<map<text, text>>
            )""",
            # One row for each record that was replaced, written before it was.
            """CREATE TABLE IF NOT EXISTS {keyspace}.past (
                key text, epoch bigint, cell text, jurisdiction text, state tinyint, moved_to text,
                updated_at_s double, PRIMARY KEY (key, epoch)
            )""",
            # One partition per key, so that a compare-and-set covers a move and which of the key's is open.
            # log: the move as JSON. change: the name of its last change.
            """CREATE TABLE IF NOT EXISTS {keyspace}.move (
                key text, operation text, open_operation text static, change uuid, log text,
                PRIMARY KEY (key, operation)
            )""",
            "CREATE TABLE IF NOT EXISTS {keyspace}.move_key (operation text PRIMARY KEY, key text)",
            # By the day when they were noted; rows without a move are of notes that came to nothing.
            """CREATE TABLE IF NOT EXISTS {keyspace}.move_noted (
                day bigint, noted_at_s double, operation text, key text,
                PRIMARY KEY (day, noted_at_s, operation)
            ) WITH CLUSTERING ORDER BY (noted_at_s DESC, operation ASC)""",
            """CREATE TABLE IF NOT EXISTS {keyspace}.move_open (
                day bigint, noted_at_s double, operation text, key text,
                PRIMARY KEY (day, noted_at_s, operation)
            ) WITH CLUSTERING ORDER BY (noted_at_s DESC, operation ASC) AND gc_grace_seconds = 600""",
            # All leases are one partition: read at once, and as many as there are workers.
            """CREATE TABLE IF NOT EXISTS {keyspace}.lease (
                fleet text, worker text, number bigint, generation text, sequence bigint, held text,
                linger_s double, expires_at_s double, PRIMARY KEY (fleet, worker)
            ) WITH gc_grace_seconds = 600""",
            # Generations of the feed in the order in which they began.
            """CREATE TABLE IF NOT EXISTS {keyspace}.feed_generation (
                fleet text, ordinal int, generation text, PRIMARY KEY (fleet, ordinal)
            )""",
            # One row that only grows: its write timestamp grows with ordinal and sequence.
            """CREATE TABLE IF NOT EXISTS {keyspace}.lease_floor (
                fleet text PRIMARY KEY, ordinal int, sequence bigint
            )""",
        ),
    ),
    Step(
        3,
        1,
        (
            # One row per key that names, or once named, another one. home is '' once it is freed.
            """CREATE TABLE IF NOT EXISTS {keyspace}.alias (
                key text PRIMARY KEY, home text, epoch bigint, updated_at_s double, operation uuid
            ) WITH speculative_retry = 'MIN(99p,20ms)'""",
        ),
    ),
)
KNOWN_VERSION: Final = STEPS[-1].version


@dataclass(frozen=True, slots=True)
class SchemaStatus:
    """found            version of the keyspace, 0 when it has no tables
    known            version that this program knows
    oldest_program   the lowest version that a program must know to use the keyspace
    """

    found: int
    known: int
    oldest_program: int

    def check(self, keyspace: str) -> None:
        """Raises StoreUnusableError, with the mend, when this program can't use the keyspace."""
        if self.found == 0:
            raise StoreUnusableError(f"keyspace {keyspace} has no Home Cell tables: homecell store init")
        if self.found < self.known:
            raise StoreUnusableError(
                f"keyspace {keyspace} has schema version {self.found}, this program needs {self.known}: "
                "homecell store migrate"
            )
        if self.oldest_program > self.known:
            raise StoreUnusableError(
                f"keyspace {keyspace} has schema version {self.found}, made for programs that know "
                f"{self.oldest_program} or later; this one knows {self.known}: use a newer program"
            )


async def init(settings: CassandraSettings, replication: Mapping[str, int]) -> SchemaStatus:
    """Create the keyspace, with so many replicas in each datacentre, and its tables. May be repeated."""
    async with _Session(settings) as session:
        copies = "".join(f", '{datacentre}': {count}" for datacentre, count in replication.items())
        await session.ask_plain(
            f"CREATE KEYSPACE IF NOT EXISTS {settings.keyspace} WITH replication = "
            f"{{'class': 'NetworkTopologyStrategy'{copies}}}"
        )
        await session.ask_plain(
            f"CREATE TABLE IF NOT EXISTS {settings.keyspace}.schema_step (fleet text, version int, "
            "oldest_program int, done boolean, claim uuid, PRIMARY KEY (fleet, version))"
        )
    return await migrate(settings)


async def migrate(settings: CassandraSettings) -> SchemaStatus:
    """Take the steps that are missing; several processes may do so at once."""
    async with _Session(settings) as session:
        deadline_s = time.monotonic() + 2 * _CLAIM_S
        while True:
            found = await read_status(session, settings)
            missing = [step for step in STEPS if step.version > found.found]
            if not missing:
                return found
            if not await _take(session, settings, missing[0]):
                if time.monotonic() > deadline_s:
                    raise StoreUnavailableError("another process is still changing the schema; try again")
                await asyncio.sleep(_LOOK_AGAIN_S)


async def status(settings: CassandraSettings) -> SchemaStatus:
    """What the keyspace is, for this program."""
    async with _Session(settings) as session:
        return await read_status(session, settings)


async def read_status(session: CassandraSession, settings: CassandraSettings) -> SchemaStatus:
    """What the keyspace is. Version 0: there is none, or nothing of ours in it."""
    tables = await session.ask(
        "SELECT table_name FROM system_schema.tables WHERE keyspace_name = ? AND table_name = ?",
        (settings.keyspace, "schema_step"),
        READ,
    )
    if not tables:
        return SchemaStatus(0, KNOWN_VERSION, 0)
    rows = await session.ask(
        f"SELECT version, oldest_program, done FROM {settings.keyspace}.schema_step WHERE fleet = ?",
        (_FLEET,),
        READ,
    )
    found, oldest = max(((version, oldest) for version, oldest, done in rows if done), default=(0, 0))
    return SchemaStatus(found, KNOWN_VERSION, oldest)


async def _take(session: CassandraSession, settings: CassandraSettings, step: Step) -> bool:
    """Take one step, unless another process is at it: then False."""
    decided = deciding(None if settings.owners is None else settings.owners.placing)
    table = f"{settings.keyspace}.schema_step"
    [(is_ours, *_)] = await session.ask(
        f"INSERT INTO {table} (fleet, version, oldest_program, done, claim) VALUES (?, ?, ?, false, ?) "
        f"IF NOT EXISTS USING TTL {_CLAIM_S}",
        (_FLEET, step.version, step.oldest_program, uuid4()),
        decided,
    )
    if not is_ours:
        return False
    for statement in step.statements:
        await session.ask_plain(statement.format(keyspace=settings.keyspace))
    await session.ask(
        f"UPDATE {table} SET oldest_program = ?, done = true WHERE fleet = ? AND version = ? IF done = false",
        (step.oldest_program, _FLEET, step.version),
        decided,
    )
    return True


class _Session:
    """A session for the length of a `with` block."""

    def __init__(self, settings: CassandraSettings) -> None:
        self._settings = settings
        self._session: CassandraSession | None = None

    async def __aenter__(self) -> CassandraSession:
        self._session = await CassandraSession.connect(self._settings)
        return self._session

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()
