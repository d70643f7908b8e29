"""The driver's connections on the event loop, against a peer that is no Cassandra and says what it got."""

from __future__ import annotations

import asyncio
import gc
import socket
import threading
import time
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from threading import get_ident

import pytest
import uvloop
from cassandra.connection import ConnectionShutdown

from lookup.stores.cassandra_reactor import LoopConnection, reactor_of

_PATIENCE_S = 30.0
_MANY = 2_000
_LARGE_BYTES = 8_000_000

Scenario = Callable[[LoopConnection, socket.socket], Awaitable[None]]


def with_peer(scenario: Scenario) -> None:
    """Run it with a connection and the peer's end of it, from which the driver's greeting was read."""

    async def play() -> None:
        async with connected() as (connection, peer):
            await scenario(connection, peer)

    asyncio.run(asyncio.wait_for(play(), _PATIENCE_S))


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[LoopConnection, socket.socket]]:
    reactor = reactor_of(asyncio.get_running_loop())
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        connection = await asyncio.to_thread(reactor, "127.0.0.1", port, connect_timeout=_PATIENCE_S)
        peer, _ = listener.accept()
    with peer:
        peer.settimeout(_PATIENCE_S)
        await asyncio.to_thread(peer.recv, 4096)
        try:
            yield connection, peer
        finally:
            connection.close()


def receive(peer: socket.socket, size: int) -> bytes:
    """Blocks until so many bytes came."""
    received = bytearray()
    while len(received) < size:
        received += peer.recv(min(65_536, size - len(received)))
    return bytes(received)


def test_what_the_loop_sends_is_on_its_way_before_the_loop_does_anything_else() -> None:
    async def scenario(connection: LoopConnection, peer: socket.socket) -> None:
        connection.push(b"request")
        assert receive(peer, 7) == b"request"

    with_peer(scenario)


def test_messages_of_other_threads_arrive_each_whole_and_in_their_order() -> None:
    async def scenario(connection: LoopConnection, peer: socket.socket) -> None:
        def send(name: str) -> None:
            for number in range(_MANY):
                connection.push(f"{name}{number:05}".encode())

        sending = [asyncio.to_thread(send, name) for name in "abc"]
        _, got = await asyncio.gather(
            asyncio.gather(*sending), asyncio.to_thread(receive, peer, 3 * 6 * _MANY)
        )
        messages = [got[start : start + 6].decode() for start in range(0, len(got), 6)]
        for name in "abc":
            numbers = [int(message[1:]) for message in messages if message[0] == name]
            assert numbers == list(range(_MANY))

    with_peer(scenario)


def test_a_peer_that_reads_slowly_gets_all_of_it_and_the_loop_goes_on_meanwhile() -> None:
    async def scenario(connection: LoopConnection, peer: socket.socket) -> None:
        large = bytes(range(256)) * (_LARGE_BYTES // 256)
        connection.push(large)
        connection.push(b"the end")
        got = await asyncio.to_thread(receive, peer, len(large) + 7)
        assert got == large + b"the end"

    with_peer(scenario)


def test_when_the_peer_hangs_up_the_requests_under_way_fail_and_later_ones_are_refused() -> None:
    async def scenario(connection: LoopConnection, peer: socket.socket) -> None:
        failed: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        connection._requests.clear()  # the greeting's, which would be first
        connection._requests[7] = (failed.set_result, None, None)
        peer.close()
        assert isinstance(await failed, ConnectionShutdown)
        with pytest.raises(ConnectionShutdown):
            connection.send_msg(None, 8, failed.set_result)

    with_peer(scenario)


def test_a_connection_closed_by_another_thread_gives_its_socket_back() -> None:
    async def scenario(connection: LoopConnection, peer: socket.socket) -> None:
        await asyncio.to_thread(connection.close)
        assert await asyncio.to_thread(peer.recv, 1) == b"", "the peer sees the end"
        connection.push(b"too late")

    with_peer(scenario)


@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_timer_of_any_thread_is_called_on_the_loops_and_a_cancelled_one_never(elsewhere: bool) -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        reactor = reactor_of(loop)
        called: list[tuple[str, int]] = []
        ended = asyncio.Event()

        def make() -> None:
            reactor.create_timer(0.02, lambda: called.append(("cancelled", get_ident()))).cancel()
            reactor.create_timer(0.01, lambda: called.append(("kept", get_ident())))
            reactor.create_timer(0.05, ended.set)

        if elsewhere:
            await asyncio.to_thread(make)
        else:
            make()
        await asyncio.wait_for(ended.wait(), _PATIENCE_S)
        assert called == [("kept", get_ident())]

    asyncio.run(scenario())


def test_after_a_loop_was_held_up_what_has_arrived_is_read_before_a_timer_ends() -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        reactor, called, held_up = reactor_of(loop), list[str](), asyncio.Event()
        (busy, work), (ours, theirs) = socket.socketpair(), socket.socketpair()

        def hold_up() -> None:
            busy.recv(1)
            timer = reactor.create_timer(0.01, lambda: called.append("too late"))
            loop.add_reader(ours.fileno(), timer.cancel)
            theirs.send(b"answer")
            time.sleep(0.05)
            held_up.set()

        with busy, work, ours, theirs:
            loop.add_reader(busy.fileno(), hold_up)
            work.send(b"x")
            await held_up.wait()
            await asyncio.sleep(0.1)
            loop.remove_reader(ours.fileno())
            loop.remove_reader(busy.fileno())
        assert called == []

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(scenario())


def test_threads_that_outlive_the_loop_are_told_so() -> None:
    async def make() -> type[LoopConnection]:
        return reactor_of(asyncio.get_running_loop())

    reactor = asyncio.run(make())
    refused: list[Exception] = []

    def outlive() -> None:
        reactor.create_timer(0.01, lambda: None).cancel()
        try:
            reactor.on_loop(lambda: None)
        except ConnectionShutdown as error:
            refused.append(error)

    thread = threading.Thread(target=outlive)
    thread.start()
    thread.join()
    assert len(refused) == 1


class Waiting:
    """Has the timer that calls it."""

    def __init__(self, reactor: type[LoopConnection]) -> None:
        self.timer = reactor.create_timer(_PATIENCE_S, self.time_is_up)

    def time_is_up(self) -> None:
        raise AssertionError("it was cancelled")


def test_a_cancelled_timer_leaves_nothing_to_the_collector() -> None:
    async def play() -> None:
        waiting = Waiting(reactor_of(asyncio.get_running_loop()))
        there = weakref.ref(waiting)
        waiting.timer.cancel()
        gc.disable()
        try:
            del waiting
            await asyncio.sleep(0)
            assert there() is None
        finally:
            gc.enable()

    uvloop.run(play())
