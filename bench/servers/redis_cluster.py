"""A Redis Cluster of three masters, without replicas."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from bench.servers.ports import free_port
from bench.servers.process import ServerError, poll
from bench.servers.redis import RedisServer, start_redis

_NODES: Final = 3
_SLOTS: Final = 16_384
_READY_S: Final = 30.0


class RedisClusterNodes:
    """`nodes` each serve a third of the slots."""

    def __init__(self, folder: Path) -> None:
        self.nodes: list[RedisServer] = []
        try:
            buses = [free_port() for _ in range(_NODES)]
            for number, bus in enumerate(buses):
                options = [
                    "cluster-enabled yes",
                    f"cluster-port {bus}",
                    "cluster-node-timeout 1500",
                    "cluster-require-full-coverage no",
                ]
                self.nodes.append(start_redis(folder / f"redis-{number}", options=options))
            self._introduce(buses)
        except BaseException:
            self.stop()
            raise

    def addresses(self) -> list[tuple[str, int]]:
        """Of the nodes."""
        return [(node.host, node.port) for node in self.nodes]

    def stop(self) -> None:
        """End everything."""
        for node in self.nodes:
            node.stop()

    def _introduce(self, buses: list[int]) -> None:
        first = self.nodes[0]
        for number, node in enumerate(self.nodes):
            slots = (_SLOTS * number // _NODES, _SLOTS * (number + 1) // _NODES - 1)
            with node.client() as client:
                client.execute_command("CLUSTER ADDSLOTSRANGE", *slots)
                client.execute_command("CLUSTER MEET", first.host, first.port, buses[0])
        if not poll(lambda: all(_is_ok(node) for node in self.nodes), _READY_S):
            raise ServerError(f"the Redis Cluster was not complete within {_READY_S:g} s")


def _is_ok(node: RedisServer) -> bool:
    with node.client() as client:
        state = client.execute_command("CLUSTER INFO")
    return (state["cluster_state"], state["cluster_slots_ok"]) == ("ok", str(_SLOTS))
