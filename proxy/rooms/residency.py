"""Residency: may this edge carry a user's traffic to that cell?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

UNTOLD: Final = ""
"""The jurisdiction of a user of whom only a claim is known, which names the cell and not the user's law."""


def permitted_users(
    allow: Mapping[str, Sequence[str]], edge_jurisdiction: str, cell_jurisdiction: str
) -> frozenset[str]:
    """The jurisdictions of users whose traffic may go through this edge to a cell of `cell_jurisdiction`.

    allow   for each jurisdiction of users: the jurisdictions of edges and cells that may carry their traffic
    UNTOLD is among them when everybody who may live in that cell is: then a claim is enough.
    """
    residents = frozenset(user for user, may in allow.items() if cell_jurisdiction in may)
    permitted = frozenset(user for user in residents if edge_jurisdiction in allow[user])
    return permitted | {UNTOLD} if residents and permitted == residents else permitted
