"""Whose traffic may go through an edge to a cell: who allows both of them."""

from __future__ import annotations

import pytest

from proxy.rooms.residency import UNTOLD, permitted_users

ALLOW = {"eu": ("eu",), "us": ("us", "eu"), "ch": ("ch", "eu")}


@pytest.mark.parametrize(
    ("edge", "cell", "users"),
    [
        ("eu", "eu", {"eu", "us", "ch"}),
        ("us", "us", {"us"}),
        ("eu", "us", {"us"}),
        ("us", "eu", {"us"}),
        ("ch", "eu", {"ch"}),
        ("ch", "ch", {"ch"}),
        ("us", "ch", set()),
        ("jp", "eu", set()),
        ("eu", "jp", set()),
    ],
)
def test_both_the_edge_and_the_cell_must_be_allowed(edge: str, cell: str, users: set[str]) -> None:
    assert permitted_users(ALLOW, edge, cell) - {UNTOLD} == users


def test_nobody_is_permitted_without_a_rule() -> None:
    assert permitted_users({}, "eu", "eu") == frozenset()


def test_a_jurisdiction_may_allow_even_its_own_to_nobody() -> None:
    assert permitted_users({"eu": ()}, "eu", "eu") == frozenset()


@pytest.mark.parametrize(
    ("edge", "cell", "suffices"),
    [("eu", "eu", True), ("us", "us", True), ("eu", "us", True), ("us", "eu", False), ("jp", "eu", False)],
)
def test_a_claim_suffices_if_everybody_who_may_live_in_the_cell_may_pass(
    edge: str, cell: str, suffices: bool
) -> None:
    allow = {"eu": ("eu",), "us": ("us", "eu")}
    assert (UNTOLD in permitted_users(allow, edge, cell)) is suffices
