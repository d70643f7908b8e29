"""Supervisor and worker understand each other, hand descriptors over, and notice each other's end."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from proxy.control import channel
from proxy.control.channel import Channel
from proxy.control.messages import (
    Do,
    Order,
    Report,
    WorkerState,
    decode_order,
    decode_report,
    encode,
)


@pytest.fixture
def ends() -> Iterator[tuple[Channel, Channel]]:
    ours, theirs = (Channel(end) for end in channel.pair())
    yield ours, theirs
    ours.close()
    theirs.close()


def test_messages_arrive_whole_and_in_order(ends: tuple[Channel, Channel]) -> None:
    ours, theirs = ends
    report = Report(WorkerState.READY, {f"eu-west-1-cell-{n:04}": n for n in range(1000)}, 1)
    order = Order(Do.RELEASE, 7)
    assert ours.send(encode(report))
    assert ours.send(encode(order))
    first, second = theirs.receive(), theirs.receive()
    assert first is not None
    assert second is not None
    assert decode_report(first.message) == report
    assert decode_order(second.message) == order
    assert (first.descriptor, second.descriptor) == (-1, -1)
    with pytest.raises(BlockingIOError):
        theirs.receive()


def test_a_descriptor_arrives_with_its_message_and_is_not_inherited_further(
    ends: tuple[Channel, Channel],
) -> None:
    ours, theirs = ends
    read_end, write_end = os.pipe()
    ours.send(encode(Order(Do.REOPEN_LOGS)))
    ours.send(encode(Order(Do.ADOPT, 1)), write_end)
    os.close(write_end)
    first, second = theirs.receive(), theirs.receive()
    assert first is not None
    assert first.descriptor == -1
    assert second is not None
    assert not os.get_inheritable(second.descriptor)
    os.write(second.descriptor, b"through")
    assert os.read(read_end, 100) == b"through"
    os.close(second.descriptor)
    os.close(read_end)


def test_the_end_of_one_side_is_seen_by_the_other(ends: tuple[Channel, Channel]) -> None:
    ours, theirs = ends
    theirs.close()
    assert ours.receive() is None
    assert not ours.send(b"{}")


def test_a_side_that_reads_nothing_never_makes_the_other_wait(ends: tuple[Channel, Channel]) -> None:
    ours, theirs = ends
    sent = 0
    while ours.send(encode(Order(Do.DRAIN))):
        sent += 1
    assert sent > 10
    assert theirs.receive() is not None
