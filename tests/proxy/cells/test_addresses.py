"""Names of cells: resolved off the request path, and the last good answer is kept."""

from __future__ import annotations

import asyncio
import logging

import pytest

from proxy.cells.addresses import Addresses


@pytest.mark.parametrize("literal", ["127.0.0.1", "::1", "2001:db8::1"])
def test_a_literal_is_its_own_address(literal: str) -> None:
    addresses = Addresses([literal])
    assert addresses.of(literal) == (literal,)
    asyncio.run(addresses.refresh())
    assert addresses.of(literal) == (literal,)


def test_a_name_has_no_address_before_it_was_resolved() -> None:
    assert Addresses(["localhost"]).of("localhost") == ()


def test_a_resolved_name_has_each_of_its_addresses_once() -> None:
    addresses = Addresses(["localhost", "localhost"])
    asyncio.run(addresses.refresh())
    found = addresses.of("localhost")
    assert set(found) & {"127.0.0.1", "::1"}
    assert len(found) == len(set(found))


def test_a_name_that_cannot_be_resolved_is_said_and_keeps_what_was_known(
    caplog: pytest.LogCaptureFixture,
) -> None:
    addresses = Addresses(["name.invalid", "localhost"])
    addresses._known["name.invalid"] = ("192.0.2.1",)
    with caplog.at_level(logging.WARNING):
        asyncio.run(addresses.refresh())
    assert addresses.of("name.invalid") == ("192.0.2.1",)
    assert addresses.of("localhost")
    assert "name.invalid" in caplog.text
    assert "192.0.2.1" in caplog.text


class Resolver:
    """Answers at once for `quick.example`, and for others when it is told to."""

    def __init__(self) -> None:
        self.answer = asyncio.Event()
        self.asked: list[str] = []

    async def __call__(self, name: str) -> list[str]:
        self.asked.append(name)
        if name != "quick.example":
            await self.answer.wait()
        return ["192.0.2.7"]


def test_a_name_whose_server_is_silent_holds_up_no_other_and_counts_when_it_answers() -> None:
    async def ask() -> None:
        resolver = Resolver()
        addresses = Addresses(["a-silent.example", "b-silent.example", "quick.example"], resolver)
        await addresses.refresh(within_s=0.01)
        assert addresses.of("quick.example") == ("192.0.2.7",)
        assert addresses.of("a-silent.example") == ()
        await addresses.refresh(within_s=0.01)
        assert resolver.asked.count("a-silent.example") == 1
        assert resolver.asked.count("quick.example") == 2
        resolver.answer.set()
        await addresses.refresh()
        assert addresses.of("a-silent.example") == addresses.of("b-silent.example") == ("192.0.2.7",)

    asyncio.run(ask())


def test_without_names_there_is_nothing_to_keep_fresh() -> None:
    asyncio.run(asyncio.wait_for(Addresses(["127.0.0.1"]).keep_fresh(), 1.0))
