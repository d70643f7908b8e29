"""How the self-check judges requests without a reply; its worker is a process that is killed in earnest."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import pytest

from bench.demo.guide import Guide, Step
from bench.demo.layout import EdgeLayout, Layout
from bench.demo.rehearsal import Rehearsal
from bench.demo.stage import Stage, Worker
from bench.demo.tally import Tally, Verdict
from bench.demo.tokens import Tokens
from proxy.config import Settings, load
from proxy.rooms.mint import write_demo_keys

_HOLDS_CLIENTS = """
import socket, sys
listener = socket.socket(fileno=int(sys.argv[1]))
held = [listener.accept() for _ in range(int(sys.argv[2]))]
print("ready", flush=True)
input()
"""


class Scene(Stage):
    """One process that stands for the worker; when it has ended, another serves in its slot.

    Before it stands an `idle` one, if any.
    """

    def __init__(
        self, layout: Layout, settings: Settings, tokens: Tokens, session: aiohttp.ClientSession
    ) -> None:
        super().__init__(layout, settings, tokens, session, [], None)
        self.worker: subprocess.Popen[str] | None = None
        self.idle: list[Worker] = []
        self.when_killed: Callable[[], None] = lambda: None
        self.later: Callable[[], None] = lambda: None

    async def workers(self, _edge: EdgeLayout) -> list[Worker]:
        assert self.worker is not None
        if self.worker.poll() is None:
            return [*self.idle, Worker(0, self.worker.pid, ready=True)]
        assert self.worker.returncode == -signal.SIGKILL
        self.when_killed()
        self.when_killed = lambda: None
        return [Worker(0, self.worker.pid + 1, ready=True)]

    async def wrong_in_cells(self) -> dict[str, int]:
        """Asked for at the end, when what the kill lost has been counted."""
        self.later()
        return {}


class Nothing(Guide):
    """A guide with nothing to try."""

    def steps(self) -> list[Step]:
        return []


@contextmanager
def worker_with(clients: int) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A process that holds connections of so many clients, and their port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        ends = [socket.create_connection(("127.0.0.1", port)) for _ in range(clients)]
        words = [sys.executable, "-c", _HOLDS_CLIENTS, str(listener.fileno()), str(clients)]
        with subprocess.Popen(
            words, pass_fds=[listener.fileno()], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as worker:
            assert worker.stdout is not None
            assert worker.stdout.readline() == "ready\n"
            yield worker, port
            worker.kill()
        for end in ends:
            end.close()


def rehearsed(
    folder: Path,
    clients: int,
    lost_before: int,
    lost_by_kill: int,
    lost_later: int,
    idle: Sequence[Worker] = (),
) -> Rehearsal:
    """A rehearsal with a worker that holds so many clients, and traffic that lost so many requests when."""

    async def run() -> Rehearsal:
        with worker_with(clients) as (worker, port):
            layout = Layout(folder, port)
            write_demo_keys(layout.keys)
            layout.write_configs()
            settings = load(layout.config(layout.eu))
            tokens = Tokens(layout.keys, settings)
            tally = Tally([cell.name for cell in settings.cells])

            def note(verdict: Verdict, times: int) -> None:
                for _ in range(times):
                    tally.note(settings.cells[1].name, verdict, "ServerDisconnectedError", 0.001)

            def killed() -> None:
                note(Verdict.LOST, lost_by_kill)
                note(Verdict.RIGHT, 1)

            note(Verdict.RIGHT, 10)
            note(Verdict.LOST, lost_before)
            async with aiohttp.ClientSession() as session:
                scene = Scene(layout, settings, tokens, session)
                scene.worker, scene.when_killed = worker, killed
                scene.idle = list(idle)
                scene.later = lambda: note(Verdict.LOST, lost_later)
                rehearsal = Rehearsal(
                    scene,
                    Nothing(layout, settings.cells, tokens),
                    tally,
                    lambda _finding: None,
                    busy_within_s=0.2,
                )
                await rehearsal.perform(lasting_s=0.0)
            return rehearsal

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("clients", "before", "by_kill", "later", "all_right"),
    [
        (3, 0, 0, 0, True),
        (3, 0, 3, 0, True),
        (3, 0, 4, 0, False),
        (0, 0, 1, 0, False),
        (3, 1, 0, 0, False),
        (3, 0, 3, 1, False),
        (3, 0, 0, 500, False),
    ],
)
def test_only_what_the_killed_worker_held_may_be_lost_and_only_then(
    tmp_path: Path, clients: int, before: int, by_kill: int, later: int, all_right: bool
) -> None:
    rehearsal = rehearsed(tmp_path, clients, before, by_kill, later)
    assert rehearsal.all_right is all_right, rehearsal.verdict()


def test_to_kill_a_worker_without_clients_proves_nothing(tmp_path: Path) -> None:
    assert not rehearsed(tmp_path, clients=0, lost_before=0, lost_by_kill=0, lost_later=0).all_right


def test_of_two_workers_the_one_with_clients_is_killed(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        idle = Worker(1, other.pid, ready=True)
        rehearsal = rehearsed(tmp_path, 3, lost_before=0, lost_by_kill=3, lost_later=0, idle=[idle])
        assert other.poll() is None
        other.kill()
    assert rehearsal.all_right, rehearsal.verdict()
