"""A worker process: inherits a listener, a row for its counters and a line to its supervisor, and serves
until told to drain, or until the supervisor is gone. Decides nothing about requests.

Started by the supervisor, which passes open descriptors:
python -m proxy.worker --slot K --config PATH --texts-fd T --listener-fd N --row-fd M --control-fd C
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from math import inf
from pathlib import Path
from typing import Final, Protocol

import uvloop

from lookup.collector import short_passes
from lookup.ports import StoreUnavailableError, StoreUnusableError
from proxy import app
from proxy.config import ConfigError, Settings, load_again
from proxy.config.location import with_config
from proxy.control import handover, words
from proxy.control.channel import Channel
from proxy.control.messages import (
    STORE_IS_AWAY,
    Do,
    Order,
    Report,
    WorkerState,
    decode_order,
    encode,
)
from proxy.observe.heavy import Tally
from proxy.observe.log_target import LogTargetError
from proxy.observe.rows import Row

_REPORT_EVERY_S: Final = 0.25
_LOOK_EVERY_S: Final = 0.05
_TALLY_EVERY_S: Final = 2.0
# Stores answer from threads of their own; with the default of 5 ms they wait that long for a busy loop.
_SWITCH_INTERVAL_S: Final = 0.0002
_STOP_S: Final = 1.0

_log = logging.getLogger("homecell")


class DataPlane(Protocol):
    """What a worker runs; `proxy.app.RunningEdge` is the real one."""

    def flag_versions(self) -> dict[str, int]: ...

    def reopen_logs(self) -> None: ...

    def place_by(self, settings: Settings) -> None: ...

    def key_set(self) -> bytes: ...

    def tally(self) -> Tally: ...

    async def adopt(self, listener: socket.socket) -> int: ...

    def release(self, number: int) -> None: ...

    async def drain(self, timeout_s: float) -> None: ...

    def ending(self) -> tuple[str, int]: ...


Start = Callable[[Settings, int, socket.socket, memoryview, bytes], Awaitable[DataPlane]]


class Worker:
    """One worker from its start to the end of its drain."""

    def __init__(self, settings: Settings, slot: int, channel: Channel, key_set: bytes) -> None:
        self._settings = settings
        self._key_set = key_set
        self._slot = slot
        self._channel = channel
        self._stop = asyncio.Event()
        self._edge: DataPlane | None = None
        self._adopted: dict[int, int] = {}
        self._orders: asyncio.Queue[tuple[Order, int]] = asyncio.Queue()
        self._flags: dict[str, int] = {}
        self._applied_ms = 0
        self._reported_at_s = 0.0
        self._tallied_at_s = -inf

    async def run(self, start: Start, listener: socket.socket, row: memoryview) -> None:
        """Serve until told to stop. Raises what `start` raises."""
        loop = asyncio.get_running_loop()
        loop.add_reader(self._channel, self._listen)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        # It is meant for the supervisor; sent to all of the edge's processes, it must not end this one.
        loop.add_signal_handler(signal.SIGHUP, self._orders.put_nowait, (Order(Do.REOPEN_LOGS), -1))
        stopped = loop.create_task(self._stopped())
        starting = loop.create_task(self._start(start, listener, row))
        await self._report_until(WorkerState.STARTING, starting, stopped)
        if not starting.done():
            return  # the runner cancels it
        starting.result()
        with short_passes(time.monotonic):
            await self._serve(stopped)

    async def _serve(self, stopped: asyncio.Task[None]) -> None:
        """Until told to stop, and then until it has drained."""
        loop = asyncio.get_running_loop()
        obeying = loop.create_task(self._obey())
        await self._report_until(WorkerState.READY, stopped, obeying)
        if obeying.done():
            obeying.result()
        obeying.cancel()
        draining = loop.create_task(self._drain())
        await self._report_until(WorkerState.DRAINING, draining)
        draining.result()

    async def _start(self, start: Start, listener: socket.socket, row: memoryview) -> None:
        self._edge = await start(self._settings, self._slot, listener, row, self._key_set)

    async def _stopped(self) -> None:
        await self._stop.wait()

    async def _drain(self) -> None:
        limit_s = self._settings.limits.drain_timeout_s
        edge = self._running()
        try:
            async with asyncio.timeout(limit_s + _STOP_S):
                await edge.drain(limit_s)
        except TimeoutError:  # told now: threads that are busy can hold up the process's end
            waits_for, cut = edge.ending()
            _log.error(
                "still waits for %s %g s after limits.drain_timeout_s (%g s) is over: given up; requests "
                "broken off: %d; if this is usual, raise limits.drain_timeout_s",
                waits_for,
                _STOP_S,
                limit_s,
                cut,
            )

    async def _report_until(self, state: WorkerState, *ends: asyncio.Task[None]) -> None:
        """Report regularly, and at once when something changed, until one of these is done."""
        self._report(state, asyncio.get_running_loop().time())
        while not any(end.done() for end in ends):
            await asyncio.wait(ends, timeout=_LOOK_EVERY_S, return_when=asyncio.FIRST_COMPLETED)
            flags = self._edge.flag_versions() if self._edge is not None else {}
            changed = flags != self._flags
            if changed:
                self._flags, self._applied_ms = flags, int(time.time() * 1000)
            if self._edge is not None:
                self._hand_on(state, self._edge.key_set())
            now_s = asyncio.get_running_loop().time()
            if changed or now_s - self._reported_at_s >= _REPORT_EVERY_S:
                self._report(state, now_s)

    def _report(self, state: WorkerState, now_s: float) -> None:
        self._reported_at_s = now_s
        tally = None
        if self._edge is not None and now_s - self._tallied_at_s >= _TALLY_EVERY_S:
            self._tallied_at_s = now_s
            tally = self._edge.tally()
        self._channel.send(encode(Report(state, self._flags, self._applied_ms, tally)))

    def _hand_on(self, state: WorkerState, key_set: bytes) -> None:
        """Give the supervisor a JWK Set that was read anew, for workers that start while the file is bad."""
        if not key_set or key_set is self._key_set:
            return
        try:
            descriptor = handover.sealed(key_set)
        except OSError as error:
            _log.warning("cannot hand on the token keys: %s", error)
            return
        if self._channel.send(encode(Report(state, self._flags, self._applied_ms)), descriptor):
            self._key_set = key_set
        os.close(descriptor)

    def _listen(self) -> None:
        """The line has something. Its end means that the supervisor is gone, and nobody would end us."""
        try:
            received = self._channel.receive()
        except BlockingIOError:
            return
        if received is None:
            asyncio.get_running_loop().remove_reader(self._channel)
            self._stop.set()
            return
        order = decode_order(received.message)
        if order.do is Do.DRAIN:
            self._stop.set()
        else:
            self._orders.put_nowait((order, received.descriptor))

    async def _obey(self) -> None:
        """Carry out orders one after the other. One that can't be carried out costs no request."""
        while True:
            order, descriptor = await self._orders.get()
            try:
                await self._carry_out(order, descriptor)
            except (OSError, LogTargetError) as error:
                _log.error("cannot %s: %s", order.do.value, error)

    async def _carry_out(self, order: Order, descriptor: int) -> None:
        edge = self._running()
        if order.do is Do.ADOPT:
            self._adopted[order.slot] = await edge.adopt(socket.socket(fileno=descriptor))
        elif order.do is Do.RELEASE and order.slot in self._adopted:
            edge.release(self._adopted.pop(order.slot))
        elif order.do is Do.REOPEN_LOGS:
            edge.reopen_logs()
        elif order.do is Do.PLACE_ANEW:
            texts = handover.decode_texts(handover.content(descriptor))
            os.close(descriptor)
            edge.place_by(load_again(self._settings.path, texts))

    def _running(self) -> DataPlane:
        assert self._edge is not None, "only after the start"
        return self._edge


def main(arguments: Sequence[str], start: Start = app.start) -> int:
    """Run a worker until it has drained; the process's exit status. Standard error says what went wrong."""
    options = _parse(arguments)
    logging.basicConfig(level=logging.INFO, format=words.FORMAT)
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    listener = socket.socket(fileno=options.listener_fd)
    row = Row(options.row_fd)
    channel = Channel(socket.socket(fileno=options.control_fd))
    try:
        settings = load_again(options.config, handover.decode_texts(handover.content(options.texts_fd)))
        key_set = b"" if options.key_set_fd < 0 else handover.content(options.key_set_fd)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_run(Worker(settings, options.slot, channel, key_set), start, listener, row.counters))
    except (ConfigError, LogTargetError, StoreUnavailableError, OSError) as error:
        _log.error("%s", with_config(str(error), options.config))
        is_away = isinstance(error, StoreUnavailableError) and not isinstance(error, StoreUnusableError)
        return STORE_IS_AWAY if is_away else 1
    except Exception:
        _log.exception("cannot go on")
        return 1
    return 0


async def _run(worker: Worker, start: Start, listener: socket.socket, row: memoryview) -> None:
    await worker.run(start, listener, row)


class _Options(argparse.Namespace):
    slot: int
    config: Path
    texts_fd: int
    key_set_fd: int
    listener_fd: int
    row_fd: int
    control_fd: int


def _parse(arguments: Sequence[str]) -> _Options:
    parser = argparse.ArgumentParser(
        prog="proxy.worker", description="Started by the supervisor, not by hand."
    )
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--key-set-fd", type=int, default=-1)
    for name in ("--slot", "--texts-fd", "--listener-fd", "--row-fd", "--control-fd"):
        parser.add_argument(name, type=int, required=True)
    return parser.parse_args(arguments, namespace=_Options())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
