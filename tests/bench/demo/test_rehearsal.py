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
from typing import Final

import aiohttp
import pytest
from aiohttp import web

from bench.demo.guide import Ask, Guide, Step
from bench.demo.layout import EdgeLayout, Layout
from bench.demo.machine import Crowd
from bench.demo.rehearsal import Finding, Rehearsal
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
        self.silent: set[str] = set()

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
        return {cell.name: 0 for cell in self.cells if cell.name not in self.silent}


CALM: Final = Crowd(2, lambda: 0)


class Busy(Crowd):
    """As long as it lasts."""

    @property
    def is_busy(self) -> bool:
        return True


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
    late: int = 0,
) -> Rehearsal:
    """A rehearsal with a worker that holds so many clients, and traffic that lost so many requests when.

    late  so many of 1,000 replies more were late on a busy machine
    """

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

            note(Verdict.RIGHT, 10 if late == 0 else 1000 - late)
            note(Verdict.LATE, late)
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
                    CALM,
                    busy_within_s=0.2,
                    after_kill_s=0.0,  # the scene notes its losses as it kills
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


@pytest.mark.parametrize(("late", "all_right"), [(10, True), (11, False)])
def test_of_a_hundred_requests_one_may_be_late_on_a_busy_machine(
    tmp_path: Path, late: int, all_right: bool
) -> None:
    rehearsal = rehearsed(tmp_path, 3, lost_before=0, lost_by_kill=0, lost_later=0, late=late)
    assert rehearsal.all_right is all_right, rehearsal.verdict()


def asked(folder: Path, crowd: Crowd, late: int, slug: str = "lookup-unavailable") -> Finding:
    """What is found of an edge that answers 503 so often, and then as it should."""
    replies = 0

    async def reply(_request: web.Request) -> web.Response:
        nonlocal replies
        replies += 1
        if replies > late:
            return web.json_response({"cell": "eu-1"})
        problem = f'{{"type": "https://id.example/{slug}"}}'
        fields = {"Retry-After": "1"}
        return web.Response(status=503, text=problem, content_type="application/problem+json", headers=fields)

    async def run() -> list[Finding]:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            app = web.Application()
            app.router.add_get("/me", reply)
            runner = web.AppRunner(app)
            await runner.setup()
            await web.SockSite(runner, listener).start()
            layout = Layout(folder, listener.getsockname()[1])
            write_demo_keys(layout.keys)
            layout.write_configs()
            settings = load(layout.config(layout.eu))
            tokens = Tokens(layout.keys, settings)
            found: list[Finding] = []
            async with aiohttp.ClientSession() as session:
                stage = Stage(layout, settings, tokens, session, [], None)
                guide = OneKnown(layout, settings.cells, tokens)
                await Rehearsal(stage, guide, Tally([]), found.append, crowd).ask_known_users("now")
            await runner.cleanup()
            return found

    (finding,) = asyncio.run(run())
    return finding


class OneKnown(Nothing):
    """A guide that knows one user."""

    def known_users(self) -> Iterator[Ask]:
        yield Ask("a user is served", self._layout.eu, "/me", "200 from eu-1")


def test_on_a_busy_machine_a_late_lookup_is_asked_for_once_more_and_the_finding_says_so(
    tmp_path: Path,
) -> None:
    finding = asked(tmp_path, Busy(2, lambda: 9), late=2)
    assert finding.right
    assert "asked again" in finding.what


def test_on_a_calm_machine_a_late_lookup_is_an_error(tmp_path: Path) -> None:
    assert not asked(tmp_path, CALM, late=2).right


def test_a_lookup_that_stays_late_is_an_error_on_any_machine(tmp_path: Path) -> None:
    assert not asked(tmp_path, Busy(2, lambda: 9), late=1000).right


def test_another_refusal_is_an_error_on_any_machine(tmp_path: Path) -> None:
    assert not asked(tmp_path, Busy(2, lambda: 9), late=2, slug="cell-down").right
