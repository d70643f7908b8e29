from __future__ import annotations

from collections import Counter
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from lookup.placement import (
    FEW_USERS,
    CellRoom,
    Newcomer,
    NoRoom,
    Occupancy,
    ShareLimits,
    choose,
    warnings,
)

EU = [CellRoom(f"eu-{number}", "eu") for number in range(4)]
US = [CellRoom(f"us-{number}", "us") for number in range(4)]
NO_LIMITS = ShareLimits(warning=1.0)


def chosen(
    key: str = "user:1",
    laws: tuple[str, ...] = ("eu",),
    tenant: str = "",
    cells: list[CellRoom] | None = None,
    occupancy: Occupancy | None = None,
    limits: ShareLimits = NO_LIMITS,
) -> str:
    found = choose(Newcomer(key, laws, tenant), cells or EU + US, occupancy or Occupancy(), limits)
    return str(found) if isinstance(found, NoRoom) else found.name


def spread(
    cells: list[CellRoom], occupancy: Occupancy | None = None, limits: ShareLimits = NO_LIMITS
) -> Counter[str]:
    return Counter(
        chosen(f"user:{number}", cells=cells, occupancy=occupancy, limits=limits) for number in range(4000)
    )


class TestWhere:
    def test_the_first_law_with_room_decides(self) -> None:
        assert chosen(laws=("us", "eu")).startswith("us-")
        closed = Occupancy(closed={cell.name for cell in US})
        assert chosen(laws=("us", "eu"), occupancy=closed).startswith("eu-")

    def test_never_under_a_law_that_is_not_the_users(self) -> None:
        closed = Occupancy(closed={cell.name for cell in EU})
        assert "us-" not in chosen(laws=("eu",), occupancy=closed)
        assert chosen(laws=("mars",)) == "there is no cell under the user's law"

    def test_a_tenants_users_live_in_its_own_cells_and_nobody_else_does(self) -> None:
        own = CellRoom("eu-acme", "eu", tenants=frozenset({"acme"}))
        assert {chosen(f"user:{n}", tenant="acme", cells=[*EU, own]) for n in range(50)} == {"eu-acme"}
        for tenant in ("", "other"):
            assert "eu-acme" not in {chosen(f"user:{n}", tenant=tenant, cells=[*EU, own]) for n in range(200)}
        assert chosen(cells=[own]) == "eu-acme is kept for other tenants"

    def test_a_tenant_whose_cells_are_full_is_not_mixed_with_others(self) -> None:
        own = CellRoom("eu-acme", "eu", capacity=10, tenants=frozenset({"acme"}))
        full = Occupancy({"eu-acme": 10})
        assert chosen(tenant="acme", cells=[*EU, own], occupancy=full) == "eu-acme is full (10 of 10 users)"

    def test_a_tenants_cell_is_used_also_when_only_a_less_preferred_law_has_one(self) -> None:
        own = CellRoom("eu-acme", "eu", tenants=frozenset({"acme"}))
        assert chosen(laws=("us", "eu"), tenant="acme", cells=[*US, own]) == "eu-acme"

    def test_closed_and_weightless_cells_get_nobody(self) -> None:
        cells = [EU[0], replace(EU[1], weight=0.0), EU[2]]
        assert {
            chosen(f"user:{n}", cells=cells, occupancy=Occupancy(closed={"eu-0"})) for n in range(50)
        } == {"eu-2"}

    def test_says_of_every_cell_why_it_has_no_room(self) -> None:
        cells = [EU[0], replace(EU[1], weight=0.0), replace(EU[2], capacity=5), EU[3]]
        occupancy = Occupancy({"eu-2": 5, "eu-3": 5000}, closed={"eu-0"})
        assert chosen(cells=cells, occupancy=occupancy, limits=ShareLimits(cap=0.5)) == (
            "eu-0 is not serving; eu-1 has weight 0; eu-2 is full (5 of 5 users); "
            "eu-3 has 99.9% of all users, the cap is 50.0%"
        )


class TestShares:
    def test_users_are_spread_by_weight(self) -> None:
        counts = spread([EU[0], replace(EU[1], weight=3.0)])
        assert 2850 < counts["eu-1"] < 3150

    def test_a_cell_that_fills_up_gets_less(self) -> None:
        cells = [replace(cell, capacity=1000) for cell in EU[:2]]
        counts = spread(cells, Occupancy({"eu-0": 750, "eu-1": 0}))
        assert 650 < counts["eu-0"] < 950

    def test_a_cell_above_the_warning_is_passed_over_while_others_have_room(self) -> None:
        users = {cell.name: 2000 for cell in EU + US} | {"eu-0": 9000}
        limits = ShareLimits(warning=0.2)
        assert "eu-0" not in spread(EU + US, Occupancy(users), limits)
        everything_else = {"eu-1", "eu-2", "eu-3"}
        assert chosen(occupancy=Occupancy(users, closed=everything_else), limits=limits) == "eu-0"

    def test_a_share_that_so_few_cells_cannot_keep_is_no_warning(self) -> None:
        users = {cell.name: 2000 for cell in EU}
        assert list(warnings(users, EU, ShareLimits(warning=0.2))) == []

    def test_few_users_are_no_blast_radius_whatever_their_share(self) -> None:
        limits = ShareLimits(warning=0.2, cap=0.2)
        assert chosen(limits=limits).startswith("eu-")
        assert list(warnings({"eu-0": FEW_USERS}, EU + US, limits)) == [
            ("eu-0", "has 100.0% of all users, the cap is 20.0%")  # the next one would be too many
        ]

    def test_a_cell_beyond_a_fifth_of_all_users_is_warned_of(self) -> None:
        users = {cell.name: 2000 for cell in EU + US} | {"eu-0": 9000}
        assert list(warnings(users, EU + US, ShareLimits())) == [
            ("eu-0", "has 39.1% of all users, more than 20%")
        ]

    def test_a_full_cell_is_warned_of(self) -> None:
        cells = [replace(EU[0], capacity=10), EU[1]]
        assert list(warnings({"eu-0": 12}, cells, ShareLimits())) == [
            ("eu-0", "has 12 users, its capacity is 10")
        ]

    @given(
        users=st.lists(st.integers(0, 5000), min_size=8, max_size=8),
        closed=st.sets(st.sampled_from([cell.name for cell in EU + US])),
        capacity=st.integers(1, 5000),
        cap=st.floats(0.05, 1.0),
        number=st.integers(0, 10**6),
    )
    def test_whoever_is_placed_breaks_no_rule(
        self, users: list[int], closed: set[str], capacity: int, cap: float, number: int
    ) -> None:
        cells = [replace(cell, capacity=capacity) for cell in EU + US]
        counts = dict(zip((cell.name for cell in cells), users, strict=True))
        found = choose(
            Newcomer(f"user:{number}", ("us", "eu")),
            cells,
            Occupancy(counts, closed),
            ShareLimits(warning=0.2, cap=cap),
        )
        if isinstance(found, NoRoom):
            assert set(found.reasons) == set(counts)
            return
        after = counts[found.name] + 1
        assert found.name not in closed
        assert after <= capacity
        assert after <= FEW_USERS or after <= cap * (sum(users) + 1)


class TestAgreement:
    @given(number=st.integers(0, 10**9))
    def test_the_order_of_the_cells_does_not_matter(self, number: int) -> None:
        key = f"user:{number}"
        assert chosen(key, cells=[*EU, *US]) == chosen(key, cells=[*reversed(US), *reversed(EU)])

    def test_edges_whose_counts_differ_a_little_mostly_agree(self) -> None:
        cells = [replace(cell, capacity=100_000) for cell in EU]
        here = Occupancy({cell.name: 50_000 for cell in EU})
        there = Occupancy({"eu-0": 50_900, "eu-1": 50_000, "eu-2": 49_500, "eu-3": 50_000})
        keys = [f"user:{number}" for number in range(1000)]
        agreed = sum(
            chosen(key, cells=cells, occupancy=here) == chosen(key, cells=cells, occupancy=there)
            for key in keys
        )
        assert agreed > 970

    def test_another_cell_takes_only_its_part_of_the_keys(self) -> None:
        keys = [f"user:{number}" for number in range(1000)]
        before = [chosen(key, cells=EU[:3]) for key in keys]
        after = [chosen(key, cells=EU) for key in keys]
        moved = {new for old, new in zip(before, after, strict=True) if old != new}
        assert moved == {"eu-3"}
