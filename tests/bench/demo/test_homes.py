"""A user who was moved while the demo runs counts for the new cell; whoever else answers is a wrong cell."""

from __future__ import annotations

import asyncio

from bench.demo.homes import Homes
from bench.demo.population import resident
from tests.bench.demo.test_population import CELLS

HERE, ELSEWHERE = CELLS[0], CELLS[1]
USER = resident(HERE, CELLS, 500)


class Store:
    """Says where a key lives, and notes that it was asked."""

    def __init__(self, home: str) -> None:
        self.home = home
        self.asked: list[str] = []

    async def ask(self, key: str) -> str:
        self.asked.append(key)
        return self.home


def judged(homes: Homes, answered_by: str) -> str:
    return asyncio.run(homes.judging(USER, answered_by)).name


def test_a_reply_from_where_the_store_says_that_the_user_lives_now_is_right_from_then_on() -> None:
    store = Store(ELSEWHERE.name)
    homes = Homes(CELLS, store.ask)
    assert judged(homes, ELSEWHERE.name) == ELSEWHERE.name
    assert homes.of(USER) == ELSEWHERE
    assert judged(homes, ELSEWHERE.name) == ELSEWHERE.name
    assert store.asked == [f"user:{USER}"]


def test_a_reply_from_another_cell_than_the_store_names_is_judged_by_the_store() -> None:
    assert judged(Homes(CELLS, Store(HERE.name).ask), ELSEWHERE.name) == HERE.name


def test_a_store_that_can_not_tell_excuses_nobody() -> None:
    assert judged(Homes(CELLS, Store("").ask), ELSEWHERE.name) == HERE.name


def test_the_store_is_not_asked_for_what_is_as_it_was_or_for_an_answer_of_the_edge() -> None:
    store = Store(ELSEWHERE.name)
    homes = Homes(CELLS, store.ask)
    assert [judged(homes, HERE.name), judged(homes, "")] == [HERE.name, HERE.name]
    assert store.asked == []


def test_a_user_who_is_moved_back_is_at_home_again() -> None:
    store = Store(ELSEWHERE.name)
    homes = Homes(CELLS, store.ask)
    judged(homes, ELSEWHERE.name)
    store.home = HERE.name
    assert judged(homes, HERE.name) == HERE.name


def test_the_self_check_where_nobody_is_moved_believes_no_store() -> None:
    assert judged(Homes(CELLS, None), ELSEWHERE.name) == HERE.name
