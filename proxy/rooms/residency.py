"""Residency: may this edge carry a user's traffic to that cell?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def permitted_users(
    allow: Mapping[str, Sequence[str]], edge_jurisdiction: str, cell_jurisdiction: str
) -> frozenset[str]:
    """The jurisdictions of users whose traffic may go through this edge to a cell of `cell_jurisdiction`.

    allow   for each jurisdiction of users: the jurisdictions of edges and cells that may carry their traffic
    """
    return frozenset(
        user for user, may in allow.items() if edge_jurisdiction in may and cell_jurisdiction in may
    )
