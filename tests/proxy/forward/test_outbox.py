"""What leaves at the end of a turn of the loop, and what doesn't wait for it."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import cast

from proxy.forward.outbox import Outbox, Outlet


def on_a_loop(test: Callable[[], Coroutine[None, None, None]]) -> Callable[[], None]:
    """Run a test on a loop of its own."""

    @functools.wraps(test)
    def run() -> None:
        asyncio.run(test())

    return run


class Wire:
    """A transport that notes what is written to it, unless it is broken."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.closing = False
        self.broken = False
        self.aborted = False

    def write(self, data: bytes) -> None:
        if self.broken:
            raise RuntimeError("this transport is broken")
        self.written.append(data)

    def abort(self) -> None:
        self.aborted = True

    def is_closing(self) -> bool:
        return self.closing


def new_outlet(outbox: Outbox) -> tuple[Outlet, Wire]:
    outlet, wire = Outlet(outbox), Wire()
    outlet.attach(cast("asyncio.Transport", wire))
    return outlet, wire


@on_a_loop
async def test_what_is_written_in_one_turn_leaves_as_one_piece_at_its_end() -> None:
    outlet, wire = new_outlet(Outbox(asyncio.get_running_loop()))
    outlet.write(b"head ")
    outlet.write(b"body")
    assert wire.written == []
    await asyncio.sleep(0)
    assert wire.written == [b"head body"]


@on_a_loop
async def test_all_outlets_of_a_turn_leave_in_the_order_they_asked() -> None:
    outbox = Outbox(asyncio.get_running_loop())
    first, first_wire = new_outlet(outbox)
    second, second_wire = new_outlet(outbox)
    order: list[bytes] = []
    first_wire.written = second_wire.written = order
    second.write(b"2")
    first.write(b"1")
    second.write(b"3")
    await asyncio.sleep(0)
    assert order == [b"23", b"1"]


@on_a_loop
async def test_a_large_piece_leaves_at_once_and_behind_what_waited() -> None:
    outlet, wire = new_outlet(Outbox(asyncio.get_running_loop()))
    outlet.write(b"a")
    outlet.write(b"b" * 20_000)
    assert wire.written == [b"a" + b"b" * 20_000]
    await asyncio.sleep(0)
    assert len(wire.written) == 1


@on_a_loop
async def test_an_outlet_knows_whether_its_message_has_begun_to_leave() -> None:
    outlet, _ = new_outlet(Outbox(asyncio.get_running_loop()))
    seen: list[bool] = []
    outlet.begin(b"request")
    seen.append(outlet.untouched)
    await asyncio.sleep(0)
    seen.append(outlet.untouched)
    outlet.begin(b"next request")
    seen.append(outlet.untouched)
    assert seen == [True, False, True]


@on_a_loop
async def test_nothing_is_written_to_a_connection_that_is_gone_or_closing() -> None:
    outbox = Outbox(asyncio.get_running_loop())
    gone, gone_wire = new_outlet(outbox)
    closing, closing_wire = new_outlet(outbox)
    gone.begin(b"lost")
    closing.begin(b"lost")
    gone.drop()
    closing_wire.closing = True
    await asyncio.sleep(0)
    assert gone_wire.written == closing_wire.written == []
    assert gone.untouched
    assert closing.untouched
    assert closing.unsent() == b"lost"


@on_a_loop
async def test_a_message_is_unsent_as_a_whole_or_not_at_all() -> None:
    outlet, wire = new_outlet(Outbox(asyncio.get_running_loop()))
    outlet.write(b"the end of the one before")
    outlet.begin(b"head ")
    outlet.write(b"body")
    assert wire.written == [b"the end of the one before"]
    assert outlet.unsent() == b"head body"
    wire.closing = True
    outlet.write(b"x" * 20_000)
    outlet.write(b"tail")
    assert outlet.unsent() == b"head body" + b"x" * 20_000 + b"tail"
    wire.closing = False
    await asyncio.sleep(0)
    assert outlet.unsent() == b""
    wire.closing = True
    outlet.write(b"late")
    await asyncio.sleep(0)
    assert outlet.unsent() == b""
    wire.closing = False
    outlet.begin(b"next")
    await asyncio.sleep(0)
    assert wire.written[2:] == [b"next"]


@on_a_loop
async def test_one_that_fails_ends_and_keeps_nothing_from_the_others() -> None:
    outbox = Outbox(asyncio.get_running_loop())
    outlets = [new_outlet(outbox) for _ in range(3)]
    outlets[1][1].broken = True
    for outlet, _ in outlets:
        outlet.write(b"now")
    await asyncio.sleep(0)
    for outlet, _ in outlets:
        outlet.write(b"next")
    await asyncio.sleep(0)
    assert [wire.written for _, wire in outlets] == [[b"now", b"next"], [], [b"now", b"next"]]
    assert [wire.aborted for _, wire in outlets] == [False, True, False]
