"""Who asks most is found among very many, with an error that is bounded and told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.observe.heavy import HeavyHitters, Tally
from proxy.observe.samples import Item, Samples

ITEMS = st.tuples(st.sampled_from(["eu-1", "eu-2"]), st.integers(0, 40).map(lambda user: f"user:{user}"))
BATCHES = st.lists(st.lists(ITEMS, max_size=60), max_size=12)


def insist_on_bounds(sketch: HeavyHitters, truth: Counter[Item], capacity: int) -> None:
    total = sum(truth.values())
    assert sketch.error <= total / (capacity + 1) + 1e-9
    for item, count in truth.items():
        estimate = sketch.count(item) + sketch.error
        assert count - 1e-9 <= estimate <= count + total / capacity + 1e-9
    assert len(sketch.tally().counts) <= capacity


@given(capacity=st.integers(1, 12), batches=BATCHES)
def test_an_estimate_is_never_below_the_truth_nor_above_it_by_more_than_the_bound(
    capacity: int, batches: Sequence[Sequence[Item]]
) -> None:
    sketch, truth = HeavyHitters(capacity), Counter[Item]()
    for batch in batches:
        sketch.add(batch)
        truth.update(batch)
    insist_on_bounds(sketch, truth, capacity)


@given(capacity=st.integers(1, 12), workers=st.lists(BATCHES, max_size=4), weight=st.sampled_from([1, 16]))
def test_sketches_of_several_workers_are_merged_within_the_same_bound(
    capacity: int, workers: Sequence[Sequence[Sequence[Item]]], weight: int
) -> None:
    merged, truth = HeavyHitters(capacity), Counter[Item]()
    for batches in workers:
        one = HeavyHitters(capacity)
        for batch in batches:
            one.add(batch, weight)
            truth.update({item: count * weight for item, count in Counter(batch).items()})
        merged.merge(one.tally())
    insist_on_bounds(merged, truth, capacity)


def test_a_hot_user_is_found_among_a_hundred_thousand() -> None:
    random, sketch = Random(7), HeavyHitters()
    for _ in range(100):
        batch = [
            ("eu-1", "user:hot" if random.random() < 0.1 else f"user:{random.randrange(100_000)}")
            for _ in range(500)
        ]
        sketch.add(batch, 16)
    (first, *others) = sketch.heaviest(3)
    assert (first.cell, first.key) == ("eu-1", "user:hot")
    assert first.share <= 0.11
    assert first.share_at_most >= 0.09
    assert first.share_at_most - first.share <= 1 / 256
    assert all(other.share < 0.01 for other in others)


def test_shares_are_of_the_cell_and_ranked_within_it() -> None:
    sketch = HeavyHitters()
    sketch.add([("eu-1", "user:1")] * 600 + [("eu-1", "user:2")] * 400 + [("eu-2", "user:3")] * 700)
    assert [(user.cell, user.key, user.share) for user in sketch.heaviest(3)] == [
        ("eu-1", "user:1", 0.6),
        ("eu-1", "user:2", 0.4),
        ("eu-2", "user:3", 1.0),
    ]
    assert [user.key for user in sketch.heaviest(1)] == ["user:1", "user:3"]


def test_a_cell_with_few_requests_has_no_heavy_users() -> None:
    sketch = HeavyHitters()
    sketch.add([("eu-1", "user:1")], 16)
    assert sketch.heaviest(3) == []


def test_what_was_long_ago_is_forgotten() -> None:
    sketch = HeavyHitters()
    sketch.add([("eu-1", "user:old")] * 1000)
    for _ in range(8):
        sketch.fade(0.5)
        sketch.add([("eu-1", "user:new")] * 500)
    (first, second) = sketch.heaviest(2)
    assert (first.key, second.key) == ("user:new", "user:old")
    assert second.share < 0.01
    for _ in range(20):
        sketch.fade(0.5)
    assert sketch.heaviest(2) == []
    assert sketch.tally().totals == {}


def test_a_sketch_that_can_count_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="0 counters"):
        HeavyHitters(0)


def pass_by(samples: Samples, requests: int) -> None:
    for _ in range(requests):
        samples.left -= 1
        if samples.left <= 0:
            samples.take("eu-1", "user:1")


def test_about_one_request_in_thirty_two_is_picked() -> None:
    samples = Samples(Random(1))
    pass_by(samples, 4000)
    items, weight = samples.collect()
    assert weight == 32
    assert 4000 * 0.8 < len(items) * weight < 4000 * 1.25
    assert samples.collect().items == []


@pytest.mark.parametrize("requests", [20_000, 100_000, 1_000_000])
def test_however_many_requests_come_few_are_picked_and_stand_for_all(requests: int) -> None:
    samples = Samples(Random(2))
    pass_by(samples, requests)
    items, weight = samples.collect()
    assert len(items) < 512
    assert requests * 0.75 < len(items) * weight < requests * 1.3


def test_when_less_is_going_on_again_more_of_it_is_picked() -> None:
    samples = Samples(Random(3))
    pass_by(samples, 100_000)
    samples.collect()
    for _ in range(12):
        pass_by(samples, 10)
        weight = samples.collect().weight
    assert weight == 32


def test_two_users_in_turn_are_picked_alike() -> None:
    samples = Samples(Random(4))
    for turn in range(16_000):
        samples.left -= 1
        if samples.left <= 0:
            samples.take("eu-1", f"user:{turn % 2}")
    counts = Counter(key for _, key in samples.collect().items)
    assert 0.7 < counts["user:0"] / counts["user:1"] < 1.4


def test_a_tally_is_all_that_a_sketch_knows() -> None:
    one, other = HeavyHitters(2), HeavyHitters(2)
    one.add([("eu-1", "a")] * 5 + [("eu-1", "b")] * 3 + [("eu-2", "c")] * 2)
    assert one.tally() == Tally([("eu-1", "a", 3.0), ("eu-1", "b", 1.0)], 2.0, {"eu-1": 8.0, "eu-2": 2.0})
    other.merge(one.tally())
    assert other.tally() == one.tally()
