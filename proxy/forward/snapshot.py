"""What operators and configuration say, as one immutable value: a request sees one generation to its end."""

from __future__ import annotations

from collections.abc import Mapping

from proxy.cells.flags import FlagBoard
from proxy.forward.link import CellLink
from proxy.rooms.routes import Routes


class Snapshot:
    """One generation. `with_board` makes the next one when a flag changes.

    links           cells of the inventory by name
    edge_urls       for each jurisdiction of users: the address of the edge that may carry them
    """

    __slots__ = ("board", "down", "edge_urls", "generation", "links", "routes")

    def __init__(
        self,
        generation: int,
        links: Mapping[str, CellLink],
        routes: Routes,
        board: FlagBoard,
        edge_urls: Mapping[str, str],
    ) -> None:
        self.generation = generation
        self.links: dict[str, CellLink] = dict(links)
        self.routes = routes
        self.board = board
        self.down: frozenset[str] = board.down
        self.edge_urls: dict[str, str] = dict(edge_urls)

    def with_board(self, board: FlagBoard) -> Snapshot:
        """The next generation, with other flags."""
        return Snapshot(self.generation + 1, self.links, self.routes, board, self.edge_urls)

    def serving_links(self, jurisdiction: str) -> list[CellLink]:
        """The cells in service of one jurisdiction, for requests that any cell may answer."""
        return [
            link
            for link in self.links.values()
            if link.jurisdiction == jurisdiction and link.name not in self.down
        ]
