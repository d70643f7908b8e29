"""Readings straight to a replica: when the driver's own request follows, and which answer counts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import cast

import pytest
from cassandra import OperationTimedOut
from cassandra.cluster import Session
from cassandra.connection import ConnectionShutdown
from cassandra.pool import NoConnectionsAvailable
from cassandra.protocol import RESULT_KIND_ROWS, OverloadedErrorMessage, ResultMessage
from cassandra.query import BoundStatement

from lookup.stores.cassandra_hedging import HedgePace
from lookup.stores.cassandra_reactor import reactor_of
from lookup.stores.cassandra_settings import CassandraSettings
from lookup.stores.cassandra_straight import Settle, StraightReads
from tests.lookup.asynchronous import asynchronous, until
from tests.lookup.fakes import home
from tests.lookup.stores.cassandra_stage import silent

ROWS = [("user:1", "cell-a")]
LATER = [("user:1", "cell-b")]
LONG_S = 60.0


@dataclass(eq=False)
class Node:
    """A node, the driver's pool of connections to it, and the one connection in that pool.

    refuses  raised by who wants a connection; breaks: by who sends on it
    under_way  who waits for an answer
    """

    datacenter: str = "eu"
    is_up: bool = True
    refuses: Exception | None = None
    breaks: Exception | None = None
    borrowed: int = 0
    under_way: list[Callable[[object], None]] = field(default_factory=list)

    @property
    def host(self) -> Node:
        return self

    def borrow_connection(self, timeout: float) -> tuple[Node, int]:
        assert timeout == 0, "the loop waits for nothing"
        if self.refuses is not None:
            raise self.refuses
        self.borrowed += 1
        return self, self.borrowed

    def return_connection(self, connection: Node) -> None:
        assert connection is self
        self.borrowed -= 1

    def send_msg(self, _message: object, _number: int, told: Callable[[object], None], **_: object) -> None:
        if self.breaks is not None:
            raise self.breaks
        self.under_way.append(told)

    def answer(self, response: object) -> None:
        self.under_way.pop(0)(response)


class Driver:
    """Its own requests: `asked` tells how many seconds each has."""

    def __init__(self) -> None:
        self.asked: list[float] = []
        self.failure: Exception | None = None
        self._settle: Settle | None = None

    def __call__(self, settle: Settle, limit_s: float) -> None:
        self.asked.append(limit_s)
        self._settle = settle
        if self.failure is not None:
            raise self.failure

    def answer(self, answer: list[tuple[str, str]] | Exception) -> None:
        assert self._settle is not None
        self._settle(answer)


class Scene:
    """Some nodes, a statement whose replicas they are, and what came of reading it."""

    def __init__(self, *nodes: Node, late_after_s: float = LONG_S, pools: bool = True) -> None:
        session = SimpleNamespace(
            _pools={node: node for node in nodes} if pools else {},
            get_pools=lambda: nodes,
            default_fetch_size=5000,
            get_execution_profile=lambda _name: SimpleNamespace(consistency_level=6),
            cluster=SimpleNamespace(metadata=SimpleNamespace(get_replicas=lambda *_: list(nodes))),
        )
        reactor = reactor_of(asyncio.get_running_loop())
        pace = HedgePace(late_after_s, LONG_S)
        self._reads = StraightReads(cast("Session", session), reactor, "eu", pace)
        prepared = SimpleNamespace(query_id=b"id", result_metadata=(), result_metadata_id=None)
        self.statement = SimpleNamespace(
            keyspace="homecell", routing_key=b"user:1", prepared_statement=prepared, values=[]
        )
        self.driver = Driver()
        self.answers: list[object] = []

    def read(self, limit_s: float = LONG_S) -> None:
        statement = cast("BoundStatement", self.statement)
        self._reads.begin(statement, limit_s, self.driver, self.answers.append)


def rows(found: list[tuple[str, str]]) -> ResultMessage:
    answer = ResultMessage(RESULT_KIND_ROWS)
    answer.parsed_rows = found
    return answer


OVERLOADED = OverloadedErrorMessage(0, "busy", None)


@asynchronous
async def test_a_replica_that_answers_is_all_that_is_asked() -> None:
    node = Node()
    scene = Scene(node)
    scene.read()
    node.answer(rows(ROWS))
    assert scene.answers == [ROWS]
    assert scene.driver.asked == []
    assert node.borrowed == 0, "the connection is free for others"


@pytest.mark.parametrize("failure", [OVERLOADED, ConnectionShutdown("gone"), ValueError("garbled")])
@asynchronous
async def test_after_a_failure_the_driver_asks_and_that_node_last(failure: object) -> None:
    node = Node()
    scene = Scene(node)
    scene.read()
    node.answer(failure)
    assert len(scene.driver.asked) == 1
    assert scene.statement.asked_already is node
    assert scene.answers == []
    scene.driver.answer(ROWS)
    assert scene.answers == [ROWS]


@pytest.mark.parametrize("first", ["replica", "driver"])
@asynchronous
async def test_of_a_late_replica_and_the_driver_the_first_answer_counts_and_only_that(first: str) -> None:
    nodes = [Node(), Node()]
    scene = Scene(*nodes, late_after_s=0.002)
    scene.read()
    await until(lambda: scene.driver.asked != [])
    (late,) = [node for node in nodes if node.under_way]
    assert scene.statement.asked_already is late
    if first == "replica":
        late.answer(rows(ROWS))
        scene.driver.answer(LATER)
        assert scene.answers == [ROWS]
    else:
        scene.driver.answer(LATER)
        late.answer(rows(ROWS))
        assert scene.answers == [LATER]
    assert late.borrowed == 0
    assert len(scene.driver.asked) == 1


@asynchronous
async def test_a_late_replica_that_fails_changes_nothing_for_the_driver() -> None:
    scene = Scene(Node(), Node(), late_after_s=0.002)
    nodes = list(scene._reads._session._pools)
    scene.read()
    await until(lambda: scene.driver.asked != [])
    (late,) = [node for node in nodes if node.under_way]
    late.answer(OVERLOADED)
    assert scene.answers == []
    assert len(scene.driver.asked) == 1
    scene.driver.answer(OperationTimedOut())
    assert [type(answer) for answer in scene.answers] == [OperationTimedOut]


@asynchronous
async def test_the_only_node_is_not_asked_twice_but_waited_for_until_the_time_is_up() -> None:
    node, elsewhere, down = Node(), Node("us"), Node(is_up=False)
    scene = Scene(node, elsewhere, down, late_after_s=0.002)
    scene.read(limit_s=0.02)
    await until(lambda: scene.answers != [])
    assert [type(answer) for answer in scene.answers] == [OperationTimedOut]
    assert scene.driver.asked == []
    node.answer(rows(ROWS))
    assert len(scene.answers) == 1


@asynchronous
async def test_the_driver_gets_the_time_that_is_left() -> None:
    node = Node()
    scene = Scene(node)
    scene.read(limit_s=5.0)
    await asyncio.sleep(0.01)
    node.answer(OVERLOADED)
    (limit_s,) = scene.driver.asked
    assert 0 < limit_s < 4.995


@pytest.mark.parametrize(
    "node",
    [
        Node(refuses=NoConnectionsAvailable()),
        Node(refuses=ConnectionShutdown("gone")),
        Node(breaks=ConnectionShutdown("gone")),
    ],
)
@asynchronous
async def test_a_node_without_a_connection_is_left_to_the_driver_at_once(node: Node) -> None:
    scene = Scene(node)
    scene.read()
    assert len(scene.driver.asked) == 1
    assert node.borrowed == 0


@asynchronous
async def test_a_node_that_the_driver_is_not_connected_to_is_left_to_it() -> None:
    scene = Scene(Node(), pools=False)
    scene.read()
    assert len(scene.driver.asked) == 1


@asynchronous
async def test_only_near_nodes_that_are_up_are_asked_and_else_the_driver() -> None:
    near, elsewhere, down = Node(), Node("us"), Node(is_up=False)
    for _ in range(20):
        scene = Scene(elsewhere, near, down)
        scene.read()
        near.answer(rows(ROWS))
        assert scene.answers == [ROWS]
    scene = Scene(elsewhere, down)
    scene.read()
    assert scene.driver.asked == [LONG_S]


@asynchronous
async def test_a_statement_that_names_no_replica_is_the_drivers() -> None:
    scene = Scene(Node())
    scene.statement.routing_key = None
    scene.read()
    assert scene.driver.asked == [LONG_S]


@pytest.mark.parametrize("where", ["sending", "driver"])
@asynchronous
async def test_what_nobody_expected_is_told_once(where: str) -> None:
    node = Node(breaks=ConnectionShutdown("gone") if where == "driver" else TypeError("a mistake"))
    scene = Scene(node, late_after_s=0.002)
    scene.driver.failure = ValueError("the session is shut down")
    scene.read()
    expected = ValueError if where == "driver" else TypeError
    assert [type(answer) for answer in scene.answers] == [expected]
    assert len(scene.driver.asked) == (where == "driver")


@pytest.mark.slow
@asynchronous
async def test_homes_are_read_from_cassandra_without_a_request_of_the_drivers(
    settings: CassandraSettings,
) -> None:
    async with silent(settings) as store:
        await store.load([home("user:1"), home("user:2")])
        made: list[object] = []
        session = (await store._session.connected()).session
        session.add_request_init_listener(made.append)
        assert await store.read(["user:1", "user:2", "user:3"]) == {
            "user:1": home("user:1"),
            "user:2": home("user:2"),
        }
        assert made == []
