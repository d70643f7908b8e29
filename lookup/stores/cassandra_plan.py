"""Which nodes are asked, one after the other: the record's near replicas in random order, then the others;
last of all the one that has not answered the same reading (cassandra_straight).

The driver's own policy shuffles the token map's list itself, which every plan in use shares: a request that
hedges then may find the node that it has asked already, frozen as it may be, and never get to a healthy one.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from cassandra.policies import DCAwareRoundRobinPolicy, HostDistance, TokenAwarePolicy


class ReplicasFirst(TokenAwarePolicy):  # type: ignore[misc]  # the driver has no types
    """Of one datacentre. Called on any of the driver's threads."""

    def __init__(self, datacentre: str) -> None:
        super().__init__(DCAwareRoundRobinPolicy(datacentre))

    def make_query_plan(self, working_keyspace: str | None = None, query: object = None) -> Iterator[object]:
        """Each node once."""
        late = getattr(query, "asked_already", None)
        keyspace = getattr(query, "keyspace", None) or working_keyspace
        routing_key = getattr(query, "routing_key", None)
        near: list[object] = []
        if keyspace is not None and routing_key is not None:
            replicas = self._cluster_metadata.get_replicas(keyspace, routing_key)
            near = [host for host in replicas if host.is_up and self.distance(host) == HostDistance.LOCAL]
            random.shuffle(near)
        others = self._child_policy.make_query_plan(keyspace, query)
        plan = [*near, *(host for host in others if host not in near)]
        if late in plan:
            plan.remove(late)
            plan.append(late)
        return iter(plan)
