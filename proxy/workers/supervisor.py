"""The supervisor: starts a worker for each slot, watches, replaces, drains. No request passes through it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import time
from collections.abc import Sequence
from enum import Enum
from typing import Final

from proxy.config import Loaded, ReloadRefusedError, load_changed
from proxy.control.admin import Admin
from proxy.control.handover import encode_texts, sealed
from proxy.control.messages import WorkerState
from proxy.control.status import EdgeStatus
from proxy.control.words import messages
from proxy.kernel.accept_queue import admit_no_more
from proxy.model import Endpoint
from proxy.observe.exporter import RANKS, Reading
from proxy.observe.heavy import Heavy, HeavyHitters
from proxy.observe.rows import RowBank
from proxy.observe.token_keys import TokenKeyState, state_of
from proxy.observe.usage import usage
from proxy.workers.cell_watch import LOOK_EVERY_S, CellWatch
from proxy.workers.decisions import Backoff, Timing, stand_ins
from proxy.workers.process import Handover, WorkerProcess

_log = logging.getLogger("homecell")


class Phase(Enum):
    """STARTING until a worker was ready for the first time; STOPPING from the order to stop."""

    STARTING = "starting"
    SERVING = "serving"
    STOPPING = "stopping"


class Slot:
    """A place for a worker: its listener for ever, its worker for as long as that lives."""

    def __init__(self, listener: socket.socket, backoff: Backoff) -> None:
        self.listener: Final = listener
        self.backoff: Final = backoff
        self.worker: WorkerProcess | None = None


class Supervisor:
    """One edge's processes. `run` ends when the last worker has ended; its value is the exit status.

    loaded     the config that every worker runs; `reload` changes how users are placed, nothing else
    listeners  one per slot, ours from now on
    command    what starts a worker, before the options
    """

    def __init__(
        self, loaded: Loaded, listeners: Sequence[socket.socket], command: Sequence[str], timing: Timing
    ) -> None:
        settings = self._settings = loaded.settings
        self._handover = Handover(settings.path, sealed(encode_texts(loaded.texts)), -1)
        self._command = command
        self._timing = timing
        self._slots = [Slot(listener, Backoff(timing)) for listener in listeners]
        self._standing_in: dict[int, int] = {}
        self._leaving: set[WorkerProcess] = set()
        self._bank = RowBank(len(settings.cells))
        self._cells = CellWatch([cell.name for cell in settings.cells])
        self._phase = Phase.STARTING
        self._keys_good_at_s = 0.0
        self._restarts = 0
        self._shown = b""
        self._failure = 0
        self._ended = asyncio.Event()

    async def run(self) -> int:
        """Start everything and stay until it has ended. Raises AdminError."""
        loop = asyncio.get_running_loop()
        admin = Admin(self)
        await admin.start(self._settings.edge.admin)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        loop.add_signal_handler(signal.SIGHUP, self.reload)
        for slot in range(len(self._slots)):
            self._spawn(slot)
        _log.info("edge %s starts its workers: %d", self._settings.edge.name, len(self._slots))
        looking = [loop.create_task(look) for look in (self._look_regularly(), self._look_at_cells())]
        await self._ended.wait()
        for task in looking:
            task.cancel()
        await admin.close()
        _log.info("stopped")
        return self._failure

    def stop(self) -> None:
        """Drain all workers and end; called once more: end at once."""
        if self._phase is Phase.STOPPING:
            self._kill_all()
            return
        self._phase = Phase.STOPPING
        limit_s = self._settings.limits.drain_timeout_s
        _log.info("stopping: requests under way have %g s to finish", limit_s)
        for slot in self._slots:
            with contextlib.suppress(OSError):  # no memory: then some who come now may be reset
                admit_no_more(slot.listener)
            slot.listener.close()  # the workers accept who is queued before they close theirs
        for worker in self._all():
            worker.drain()
        asyncio.get_running_loop().call_later(limit_s + self._timing.kill_after_s, self._kill_all)
        self._end_if_alone()

    def reload(self) -> None:
        """Let every worker write to a fresh access log (rotation), and place users as the config now says."""
        for worker in self._all():
            worker.reopen_logs()
        try:
            changed = load_changed(self._settings)
            if changed is not None:
                self._place_anew(changed)
        except (ReloadRefusedError, OSError) as error:
            _log.error("the config is not taken, all stays as it is: %s", error)

    def _place_anew(self, loaded: Loaded) -> None:
        texts_fd = sealed(encode_texts(loaded.texts))
        os.close(self._handover.texts_fd)
        self._handover = self._handover._replace(texts_fd=texts_fd)
        self._settings = loaded.settings
        for worker in self._all():
            worker.place_anew(texts_fd)
        _log.info("the config is taken: users are placed by it from now on")

    # What the admin endpoint shows.

    def status(self) -> EdgeStatus:
        now_s = time.time()
        workers = sorted(self._all(), key=lambda worker: (worker.slot, worker.pid))
        return EdgeStatus(
            self._settings.edge.name,
            self._settings.store.place,
            [cell.name for cell in self._settings.cells],
            self._phase is Phase.STOPPING,
            [worker.status(now_s) for worker in workers],
            self._token_keys(now_s),
            self._cells.failing(),
        )

    def _token_keys(self, now_s: float) -> TokenKeyState | None:
        told = [keys for worker in self._all() if (keys := worker.row.token_keys()) is not None]
        self._keys_good_at_s = max([self._keys_good_at_s, *(keys.good_at_s for keys in told)])
        return state_of(told, self._keys_good_at_s, now_s)

    def reading(self) -> Reading:
        cells = self._settings.cells
        workers = [slot.worker for slot in self._slots if slot.worker is not None]
        status = self.status()
        relays = [relay for worker in workers if (relay := worker.row.relay()) is not None]
        return Reading(
            cells=[cell.name for cell in cells],
            totals=self._bank.totals(),
            flags=[frozenset(worker.row.flag(cell.index) for worker in workers) for cell in cells],
            feed_age_s=status.feed_age_s(),
            workers_ready=len(self._serving()),
            restarts=self._restarts,
            uses=[use for worker in workers if (use := usage(worker.slot, worker.pid)) is not None],
            heavy=self.heaviest(RANKS),
            relays=relays if self._settings.store.cassandra is not None else None,
            census=next((census for worker in workers if (census := worker.row.census())), None),
            token_keys=status.token_keys,
        )

    def heaviest(self, most: int) -> list[Heavy]:
        """Of each cell at most so many users, those who ask most over all workers."""
        merged = HeavyHitters()
        for worker in self._all():
            merged.merge(worker.tally)
        return merged.heaviest(most)

    # What happens to workers.

    def reported(self, worker: WorkerProcess) -> None:
        """A worker's state changed."""
        if worker.report.state is WorkerState.READY:
            _log.info("worker %d (pid %d) is ready", worker.slot, worker.pid)
            if self._phase is Phase.STARTING:
                self._phase = Phase.SERVING
                edge = self._settings.edge
                where = (_shown(edge.listen), _shown(edge.admin))
                _log.info("edge %s serves: clients on %s, admin on %s", edge.name, *where)
        elif self._phase is not Phase.STOPPING and self._slots[worker.slot].worker is worker:
            _log.info("worker %d (pid %d) was told to end; starting another", worker.slot, worker.pid)
            self._leaving.add(worker)
            self._slots[worker.slot].worker = None
            self._replace(worker.slot, delay_s=0.0)
        self._arrange_stand_ins()

    def handed(self, key_set_fd: int) -> None:
        """A worker has read a good JWK Set: those who start while the file is bad use it."""
        if self._handover.key_set_fd >= 0:
            os.close(self._handover.key_set_fd)
        self._handover = self._handover._replace(key_set_fd=key_set_fd)

    def ended(self, worker: WorkerProcess) -> None:
        """A worker's process has ended."""
        keys = worker.row.token_keys()
        self._keys_good_at_s = max(self._keys_good_at_s, keys.good_at_s if keys is not None else 0.0)
        self._bank.retire(worker.row)
        if worker in self._leaving:
            self._leaving.remove(worker)
        else:
            self._slots[worker.slot].worker = None
            if self._phase is not Phase.STOPPING:
                self._lost(worker)
        self._arrange_stand_ins()
        self._end_if_alone()

    def _lost(self, worker: WorkerProcess) -> None:
        backoff = self._slots[worker.slot].backoff
        served_s = time.monotonic() - worker.ready_since_s if worker.ready_since_s else 0.0
        delay_s = backoff.delay_s(served_s)
        self._show_once(worker.errors)
        if self._phase is Phase.STARTING and backoff.is_hopeless(worker.exit_status):
            _log.error("worker %d cannot start (%s)%s", worker.slot, worker.ending, worker.last_words)
            self._failure = 1
            self.stop()
            return
        when = f"in {delay_s:g} s" if delay_s else "at once"
        _log.warning("worker %d (pid %d) %s; replaced %s", worker.slot, worker.pid, worker.ending, when)
        self._replace(worker.slot, delay_s)

    def _show_once(self, errors: bytes) -> None:
        if errors and errors != self._shown:
            self._shown = errors
            for level, text in messages(errors):
                _log.log(level, "%s", text)

    def _replace(self, slot: int, delay_s: float) -> None:
        self._restarts += 1
        asyncio.get_running_loop().call_later(delay_s, self._spawn, slot)

    def _spawn(self, number: int) -> None:
        if self._phase is Phase.STOPPING:
            return
        slot = self._slots[number]
        row = self._bank.open_row()
        try:
            slot.worker = WorkerProcess(self._command, self._handover, number, slot.listener, row, self)
        except OSError as error:
            self._bank.retire(row)
            delay_s = slot.backoff.delay_s(0.0)
            _log.error("cannot start worker %d: %s; tried again in %g s", number, error, delay_s)
            asyncio.get_running_loop().call_later(delay_s, self._spawn, number)

    # Watching.

    async def _look_regularly(self) -> None:
        while True:
            await asyncio.sleep(self._timing.look_every_s)
            self._look()

    def _look(self) -> None:
        """Count each worker's silence; kill whose loop is stuck."""
        timing = self._timing
        for worker in self._all():
            worker.silent_looks += 1
            limit_s = timing.silent_s if worker.ready_since_s else timing.starting_s
            if worker.silent_looks == timing.looks(limit_s):
                _log.warning("worker %d (pid %d) is stuck: silent for %g s", worker.slot, worker.pid, limit_s)
                worker.kill()
        self._arrange_stand_ins()

    async def _look_at_cells(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            for text in self._cells.look(self._bank.outcomes()):
                _log.warning("%s", text)

    def _serving(self) -> dict[int, WorkerProcess]:
        return {
            worker.slot: worker
            for slot in self._slots
            if (worker := slot.worker) is not None and worker.report.state is WorkerState.READY
        }

    def _arrange_stand_ins(self) -> None:
        """A slot whose worker is away or lags must not keep clients waiting: another accepts for it."""
        if self._phase is Phase.STOPPING:
            return
        lagging = self._timing.looks(self._timing.lagging_s)
        workers = self._serving()
        keen = {slot for slot, worker in workers.items() if worker.silent_looks < lagging}
        for change in stand_ins(len(self._slots), keen, self._standing_in):
            if change.old in workers:
                workers[change.old].release(change.slot)
            if change.new is None:
                del self._standing_in[change.slot]
            else:
                workers[change.new].adopt(change.slot, self._slots[change.slot].listener)
                self._standing_in[change.slot] = change.new

    def _all(self) -> list[WorkerProcess]:
        return [*self._leaving, *(slot.worker for slot in self._slots if slot.worker is not None)]

    def _kill_all(self) -> None:
        for worker in self._all():
            _log.warning("worker %d (pid %d) has not ended yet: killed", worker.slot, worker.pid)
            worker.kill()

    def _end_if_alone(self) -> None:
        if self._phase is Phase.STOPPING and not self._all():
            self._ended.set()


def _shown(at: Endpoint) -> str:
    return f"http://[{at.host}]:{at.port}" if ":" in at.host else f"http://{at.host}:{at.port}"
