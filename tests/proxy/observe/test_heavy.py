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


@pytest.mark.slow
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
    assert 0.09 < first.share_at_least < 0.1 < first.share_at_most < 0.115
    assert others == []


def test_shares_are_of_the_cell_and_ranked_within_it() -> None:
    sketch = HeavyHitters()
    sketch.add([("eu-1", "user:1")] * 600 + [("eu-1", "user:2")] * 400 + [("eu-2", "user:3")] * 700)
    found = sketch.heaviest(3)
    assert [(user.cell, user.key, user.samples, user.samples_of_cell) for user in found] == [
        ("eu-1", "user:1", 600, 1000),
        ("eu-1", "user:2", 400, 1000),
        ("eu-2", "user:3", 700, 700),
    ]
    bounds = [bound for user in found for bound in (user.share_at_least, user.share_at_most)]
    assert bounds == pytest.approx([0.559, 0.639, 0.361, 0.441, 0.991, 1.0], abs=0.001)
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
    assert [user.key for user in sketch.heaviest(2)] == ["user:new"]
    for _ in range(20):
        sketch.fade(0.5)
    assert sketch.heaviest(2) == []
    assert sketch.tally().totals == {}
    assert sketch.tally().squares == {}


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
    assert one.tally() == Tally(
        [("eu-1", "a", 3.0), ("eu-1", "b", 1.0)], 2.0, {"eu-1": 8.0, "eu-2": 2.0}, {"eu-1": 8.0, "eu-2": 2.0}
    )
    other.merge(one.tally())
    assert other.tally() == one.tally()


def sketch_of(random: Random, requests: int, hot_share: float, others: int) -> tuple[HeavyHitters, float]:
    """What a worker knows after that traffic, picked as it picks, and the hot user's true share."""
    samples, sketch, hot = Samples(random), HeavyHitters(), 0
    for number in range(requests):
        is_hot = random.random() < hot_share
        hot += is_hot
        samples.left -= 1
        if samples.left <= 0:
            samples.take("eu-1", "user:hot" if is_hot else f"user:{random.randrange(others)}")
        if number % 500 == 499:
            sketch.add(*samples.collect())
    sketch.add(*samples.collect())
    return sketch, hot / requests


@pytest.mark.parametrize(
    ("requests", "hot_share", "others"), [(2000, 0.8, 40), (2000, 0.5, 5), (6000, 0.3, 1000)]
)
def test_the_truth_lies_between_the_shares_99_times_of_100(
    requests: int, hot_share: float, others: int
) -> None:
    random, runs, held = Random(11), 300, 0
    for _ in range(runs):
        sketch, truth = sketch_of(random, requests, hot_share, others)
        first = sketch.heaviest(1)[0]
        assert first.key == "user:hot"
        held += first.share_at_least <= truth <= first.share_at_most
    assert held >= runs * 0.98


@pytest.mark.parametrize("requests", [2000, 20_000])
def test_of_users_who_ask_alike_nobody_is_shown(requests: int) -> None:
    for seed in range(20):
        sketch, _ = sketch_of(Random(seed), requests, 0.0, 40)
        assert sketch.heaviest(20) == []


def test_picked_requests_that_count_for_more_than_others_tell_less_than_as_many_alike() -> None:
    alike, unlike = HeavyHitters(), HeavyHitters()
    alike.add([("eu-1", "user:1"), ("eu-1", "user:2")] * 100, 32)
    unlike.add([("eu-1", "user:1"), ("eu-1", "user:2")] * 50, 32)
    unlike.add([("eu-1", "user:1"), ("eu-1", "user:2")] * 50, 512)
    one, other = alike.heaviest(1)[0], unlike.heaviest(1)[0]
    assert (one.samples_of_cell, other.samples_of_cell) == (200, 112)
    assert other.share_at_least < one.share_at_least < 0.5 < one.share_at_most < other.share_at_most


@given(capacity=st.integers(1, 12), batches=BATCHES, weight=st.sampled_from([1, 32, 64]))
def test_the_interval_always_holds_what_the_samples_show(
    capacity: int, batches: Sequence[Sequence[Item]], weight: int
) -> None:
    sketch, truth = HeavyHitters(capacity), Counter[Item]()
    for batch in batches:
        sketch.add(batch, weight)
        truth.update(batch)
    by_cell = Counter[str]()
    for (cell, _), count in truth.items():
        by_cell[cell] += count
    for user in sketch.heaviest(5):
        shown = truth[user.cell, user.key] / by_cell[user.cell]
        assert 0.0 <= user.share_at_least <= shown <= user.share_at_most <= 1.0
        assert user.samples_of_cell == by_cell[user.cell]
