from __future__ import annotations

from dataclasses import dataclass, field

from cassandra.policies import HostDistance

from lookup.stores.cassandra_plan import ReplicasFirst


@dataclass(eq=False)
class FakeHost:
    name: str
    datacenter: str = "eu"
    is_up: bool = True


@dataclass
class FakeMetadata:
    """The token map: one list per range, which it hands out as it is."""

    replicas: list[FakeHost] = field(default_factory=list)

    def get_replicas(self, _keyspace: str, _routing_key: bytes) -> list[FakeHost]:
        return self.replicas


@dataclass
class FakeCluster:
    metadata: FakeMetadata


@dataclass
class FakeQuery:
    keyspace: str | None = "homecell"
    routing_key: bytes | None = b"user:1"
    asked_already: FakeHost | None = None


REPLICAS = [FakeHost("a"), FakeHost("b"), FakeHost("c")]
OTHERS = [FakeHost("d"), FakeHost("far", "us")]


def policy(replicas: list[FakeHost]) -> ReplicasFirst:
    found = ReplicasFirst("eu")
    found.populate(FakeCluster(FakeMetadata(replicas)), [*REPLICAS, *OTHERS])
    return found


def names(plan: object) -> str:
    assert hasattr(plan, "__iter__")
    return "".join(host.name for host in plan)


def test_each_of_many_plans_in_use_names_every_node_once() -> None:
    replicas = list(REPLICAS)
    asked = policy(replicas)
    plans = [asked.make_query_plan(None, FakeQuery()) for _ in range(50)]
    named = [[] for _ in plans]  # type: list[list[str]]
    for _ in range(4):  # all hedge at once
        for plan, seen in zip(plans, named, strict=True):
            host = next(plan)
            assert isinstance(host, FakeHost)
            seen.append(host.name)
    assert {"".join(sorted(seen[:3])) + seen[3] for seen in named} == {"abcd"}
    assert len({"".join(seen) for seen in named}) > 1, "the load is spread"
    assert replicas == REPLICAS, "the token map is left as it was"


def test_nodes_that_are_down_or_elsewhere_are_no_near_replicas() -> None:
    down, far = FakeHost("x", is_up=False), FakeHost("y", "us")
    asked = policy([down, far, REPLICAS[0]])
    assert asked.distance(far) == HostDistance.IGNORED
    for _ in range(20):
        plan = names(asked.make_query_plan(None, FakeQuery()))
        assert plan[0] == "a"
        assert sorted(plan) == ["a", "b", "c", "d"]


def test_without_a_record_all_near_nodes_take_turns() -> None:
    asked = policy(list(REPLICAS))
    for query in (None, FakeQuery(routing_key=None), FakeQuery(keyspace=None)):
        firsts = {names(asked.make_query_plan(None, query))[0] for _ in range(8)}
        assert firsts == {"a", "b", "c", "d"}


def test_the_node_that_was_asked_already_comes_last() -> None:
    asked = policy(list(REPLICAS))
    for late in (*REPLICAS, OTHERS[0]):
        plan = names(asked.make_query_plan(None, FakeQuery(asked_already=late)))
        assert sorted(plan) == ["a", "b", "c", "d"]
        assert plan[-1] == late.name
    gone = FakeHost("gone")
    assert sorted(names(asked.make_query_plan(None, FakeQuery(asked_already=gone)))) == ["a", "b", "c", "d"]
