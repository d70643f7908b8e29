"""The listeners of one edge: one for each slot, all on one address, and nobody else's."""

from __future__ import annotations

import socket
from contextlib import suppress

import pytest

from bench.servers.ports import free_port
from proxy.kernel.send_queue import unacknowledged_bytes
from proxy.model import Endpoint
from proxy.workers.listeners import ListenError, listen


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_every_slot_has_a_listener_on_the_same_address(host: str) -> None:
    at = Endpoint(host, free_port())
    listeners = listen(at, 3)
    assert {listener.getsockname()[:2] for listener in listeners} == {(at.host, at.port)}
    with socket.create_connection((at.host, at.port)):
        pass
    for listener in listeners:
        listener.close()


def test_an_address_that_another_edge_listens_on_is_refused_and_not_shared() -> None:
    at = Endpoint("127.0.0.1", free_port())
    first = listen(at, 2)
    with pytest.raises(ListenError, match=rf"edge\.listen 127\.0\.0\.1:{at.port}: Address already in use"):
        listen(at, 2)
    for listener in first:
        listener.close()
    for listener in listen(at, 2):
        listener.close()


def test_an_address_that_is_not_this_machines_is_refused() -> None:
    with pytest.raises(ListenError, match="Cannot assign requested address"):
        listen(Endpoint("192.0.2.1", 8080), 1)


def test_what_the_kernel_holds_for_a_client_that_does_not_read_is_bounded() -> None:
    at = Endpoint("127.0.0.1", free_port())
    (listener,) = listen(at, 1)
    with listener, socket.create_connection((at.host, at.port)):
        accepted, _ = listener.accept()
        with accepted:
            accepted.setblocking(False)
            with suppress(BlockingIOError):
                while accepted.send(bytes(65536)):
                    pass
            assert 0 < unacknowledged_bytes(accepted) < 512 * 1024
