"""A Cassandra ring on loopback addresses, of one node or several, in one datacentre or several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from bench.servers.cassandra_config import NodeSettings, java_options, write_config
from bench.servers.cassandra_jars import cassandra_jars, find_java
from bench.servers.cassandra_quorum import see_each_other
from bench.servers.certificates import CertificateFiles
from bench.servers.ports import free_port, listens
from bench.servers.process import ServerError, ServerProcess, poll
from bench.servers.sparing import sparing

USER: Final = "cassandra"
PASSWORD: Final = "cassandra"
DATACENTRE: Final = "datacenter1"
"""Of nodes for which nothing else is said."""

_READY_S: Final = 120.0
_TOGETHER_S: Final = 60.0
_MAIN: Final = "org.apache.cassandra.service.CassandraDaemon"


class CassandraNode(ServerProcess):
    """One node; it can be started again after `kill` and finds its data."""

    def __init__(self, settings: NodeSettings) -> None:
        self.settings: Final = settings
        self.address: Final = settings.address
        self.port: Final = settings.cql_port
        write_config(settings)
        command: list[str | Path] = [find_java(), *java_options(settings, cassandra_jars()), _MAIN]
        super().__init__(
            f"Cassandra on {self.address}:{self.port}",
            sparing(command) if settings.spares_cores else command,
            settings.folder,
            [(self.address, settings.cql_port), (self.address, settings.storage_port)],
            self._listens,
            _READY_S,
        )

    def _listens(self) -> bool:
        return listens(self.address, self.port)


class CassandraRing:
    """`nodes` on 127.0.0.1 and the addresses after it, all serving CQL on `port`.

    datacentres   of each node in turn
    spares_cores  for a bench whose other processes share them: idle threads wake less often
    short_lived   for a test: quick to start, and ended without ceremony, for nobody wants its data
    """

    def __init__(
        self,
        folder: Path,
        *,
        datacentres: Sequence[str] = (DATACENTRE,),
        port: int = 0,
        heap_mb: int = 600,
        authenticates: bool = False,
        certificates: CertificateFiles | None = None,
        hints: bool = True,
        spares_cores: bool = False,
        short_lived: bool = False,
    ) -> None:
        self._short_lived: Final = short_lived
        self.port: Final = port or free_port()
        storage_port = free_port()
        self.nodes: Final = [
            CassandraNode(
                NodeSettings(
                    folder / f"node-{number + 1}",
                    f"127.0.0.{number + 1}",
                    "127.0.0.1",
                    self.port,
                    storage_port,
                    free_port(),
                    len(datacentres),
                    number,
                    heap_mb,
                    authenticates,
                    certificates,
                    datacentre,
                    hints,
                    spares_cores,
                    short_lived,
                )
            )
            for number, datacentre in enumerate(datacentres)
        ]

    def addresses(self) -> list[str]:
        """Of the nodes."""
        return [node.address for node in self.nodes]

    def start(self, prepare: Callable[[], None] = lambda: None) -> None:
        """The first node, then the others beside each other; in the end each serves and sees the others.

        prepare   called while the first one serves alone: it makes a table in a tenth of a second, a ring
                  in more than one
        Raises ServerError.
        """
        try:
            self.nodes[0].start()
            self.nodes[0].wait_ready()
            prepare()
            for node in self.nodes[1:]:
                node.start()
            for node in self.nodes[1:]:
                node.wait_ready()
            if len(self.nodes) > 1 and not poll(
                lambda: see_each_other(self.addresses(), self.port), _TOGETHER_S
            ):
                raise ServerError(f"the Cassandra nodes did not see each other within {_TOGETHER_S:g} s")
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End every node."""
        for node in self.nodes:
            if self._short_lived:
                node.kill()
            else:
                node.stop()
