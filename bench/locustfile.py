"""People-like traffic over all cells of a running demo, by locust: think times, tokens, cookies, reads and
writes; one cell is taken down on the way and put back. Each reply must come from the right cell.

`make load` starts it. By hand: .venv/bin/locust -f bench/locustfile.py --headless -u 40 -r 10 -t 60s
"""

from __future__ import annotations

import random
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar, Final

from locust import HttpUser, between, events, task
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment

from bench.demo.layout import DEFAULT_PORT, HOMECELL, Layout
from bench.demo.population import UNKNOWN_USER, USERS, home_of
from bench.demo.replies import ANSWERED_BY, DEGRADED_FIELD
from bench.demo.tally import Verdict, judge
from bench.demo.tokens import ALGORITHMS, Tokens
from bench.load_report import EXPLAINED, LoadReport
from bench.outage import Outage
from proxy.config import load

DOWN_FROM: Final = 0.4
DOWN_UNTIL: Final = 0.6
"""The shares of the run between which a cell is down."""

VISITS_PER_PERSON: Final = 12
_DEFAULT_RUN_S: Final = 60


class Campaign:
    """One load test: whom it can impersonate, which cell is down and since when, and what it saw."""

    def __init__(self, layout: Layout, lasting_s: float) -> None:
        self._config = layout.config(layout.eu)
        settings = load(self._config)
        self.layout = layout
        self.cells = settings.cells
        self.routing_cookie = settings.routing_cookie.name
        self.tokens = Tokens(layout.keys, settings)
        self.outage = Outage(self.cells[1].name)
        self.report = LoadReport([cell.name for cell in self.cells])
        self._began_s = time.monotonic()
        self._took_s = 0.0
        self._lasting_s = lasting_s
        self._over = threading.Event()
        self._switch = threading.Thread(target=self._take_down_and_back, daemon=True)
        self._switch.start()

    def _take_down_and_back(self) -> None:
        """Where the run is ended early, the cell is put back early, or not taken down at all."""
        if self._over.wait(DOWN_FROM * self._lasting_s):
            return
        outage = self.outage
        self.report.taken_down = outage.cell
        outage.down_from_s = time.monotonic()
        self._flag("down")
        outage.down_s = time.monotonic()
        self._over.wait((DOWN_UNTIL - DOWN_FROM) * self._lasting_s)
        outage.back_from_s = time.monotonic()
        self._flag("serving")
        outage.back_s = time.monotonic()

    def end(self) -> None:
        """Put the cell back if need be, and write the report for scripts."""
        self._over.set()
        self._switch.join()
        self._took_s = time.monotonic() - self._began_s
        self.report.write(self.layout.directory / "load" / "by-cell.json", self._took_s)

    def summary(self) -> str:
        """The report for people, after `end`."""
        failures = self.report.failures()
        verdict = ["FAILED:", *failures] if failures else ["Every reply came from the right cell."]
        title = f"By home cell, over {self._took_s:.0f} s"
        if self.report.taken_down:
            down_s = self.outage.back_s - self.outage.down_from_s
            title += f"; {self.outage.cell} was down for {down_s:.0f} s of it"
        return "\n".join(["", title, "", self.report.table(self._took_s), "", EXPLAINED, "", *verdict])

    def _flag(self, flag: str) -> None:
        command = [str(HOMECELL), "cells", "flag", "--config", str(self._config), self.outage.cell, flag]
        command += ["--reason", "load test"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            self.report.complain(f"homecell cells flag {flag}: {done.stdout}{done.stderr}".strip())


class Person(HttpUser):
    """Somebody who visits a few times and goes; the next one has another name and an empty cookie jar."""

    campaign: ClassVar[Campaign]
    host = "http://127.0.0.1"
    wait_time = between(0.3, 1.5)

    def on_start(self) -> None:
        self._become_somebody()

    @task(6)
    def read(self) -> None:
        self._visit("GET", "/me")

    @task(1)
    def peek(self) -> None:
        self._visit("HEAD", "/me")

    @task(2)
    def status(self) -> None:
        self._visit("GET", "/status")

    @task(3)
    def write(self) -> None:
        self._visit("POST", "/notes", random.randbytes(random.randint(1, 20_000)))

    @task(1)
    def upload(self) -> None:
        self._visit("PUT", "/photo", _chunks(random.randint(1, 12)))

    @task(1)
    def stranger(self) -> None:
        """Somebody whom no cell knows tries, and is told so."""
        token = self.campaign.tokens.token(UNKNOWN_USER, random.choice(ALGORITHMS))
        asked_s = time.monotonic()
        url, headers = self.campaign.layout.eu.url + "/me", {"Authorization": f"Bearer {token}"}
        with self.client.get(url, name="stranger GET /me", headers=headers, catch_response=True) as reply:
            if reply.status_code == 404:
                verdict, complaint = Verdict.RIGHT, ""
                reply.success()
            else:
                verdict = Verdict.ERROR if reply.status_code else Verdict.LOST
                complaint = f"{reply.status_code} for an unknown user"
                reply.failure(complaint)
        self.campaign.report.note_stranger(verdict, (time.monotonic() - asked_s) * 1e3, complaint)

    def _become_somebody(self) -> None:
        campaign = self.campaign
        number = random.randrange(USERS)
        self._home = home_of(number, campaign.cells)
        self._visits_left = VISITS_PER_PERSON
        self._headers: dict[str, str] = {}
        self._is_browser = random.random() < 0.4
        token = campaign.tokens.token(number, random.choice(ALGORITHMS), self._claimed())
        self.client.cookies.clear()
        if self._is_browser:
            self.client.cookies.set("session", token, domain="127.0.0.1", path="/")
        else:
            self._headers["Authorization"] = f"Bearer {token}"
        travelling = random.random() < 0.3
        at_home = self._home.jurisdiction == campaign.layout.us.jurisdiction and not travelling
        self._edge = campaign.layout.us if at_home else campaign.layout.eu

    def _claimed(self) -> str:
        """Half of the apps have tokens that name the home; browsers learn theirs by the routing cookie."""
        return self._home.name if not self._is_browser and random.random() < 0.5 else ""

    def _visit(self, method: str, path: str, body: bytes | Iterator[bytes] | None = None) -> None:
        home, asked_s = self._home.name, time.monotonic()
        with self.client.request(
            method,
            self._edge.url + path,
            name=f"{home} {path}",
            headers=self._headers,
            data=body,
            catch_response=True,
        ) as reply:
            verdict = self._verdict(reply.status_code, reply.headers, asked_s)
            complaint = self._complaint(verdict, reply.status_code, reply.headers)
            if complaint:
                reply.failure(complaint)
            else:
                reply.success()
        latency_ms = (time.monotonic() - asked_s) * 1e3
        self.campaign.report.note(home, verdict, latency_ms, complaint)
        self._visits_left -= 1
        if not self._visits_left:
            self._become_somebody()

    def _verdict(self, status: int, fields: Mapping[str, str], asked_s: float) -> Verdict:
        if not status:
            return Verdict.LOST
        home = self._home.name
        verdict = judge(status, DEGRADED_FIELD in fields, fields.get(ANSWERED_BY, ""), home)
        return self.campaign.outage.judged(verdict, home, asked_s, time.monotonic())

    def _complaint(self, verdict: Verdict, status: int, fields: Mapping[str, str]) -> str:
        """What is wrong with the reply; "" when nothing is."""
        if verdict not in (Verdict.RIGHT, Verdict.DEGRADED):
            by = fields.get(ANSWERED_BY) or fields.get(DEGRADED_FIELD, "the edge")
            served = verdict is Verdict.ERROR and status == 200 and by == self.campaign.outage.cell
            return f"{verdict}: {status} by {by}" + (", which was flagged down" if served else "")
        cookieless = self._is_browser and self.campaign.routing_cookie not in self.client.cookies
        return "a browser got no routing cookie" if cookieless and verdict is Verdict.RIGHT else ""


def _chunks(count: int) -> Iterator[bytes]:
    """A body of unknown length, which is sent chunked."""
    for _ in range(count):
        yield random.randbytes(random.randint(1, 4096))


@events.init_command_line_parser.add_listener  # type: ignore[untyped-decorator]  # locust's hooks have no types
def _add_arguments(parser: LocustArgumentParser) -> None:
    # Texts and numbers only: locust puts them on its web page.
    parser.add_argument("--demo", default=".demo", help="Directory of the running demo")
    parser.add_argument("--demo-port", type=int, default=DEFAULT_PORT, help="Port of its EU edge")


@events.test_start.add_listener  # type: ignore[untyped-decorator]  # locust's hooks have no types
def _begin(environment: Environment, **_: object) -> None:
    options = environment.parsed_options
    assert options is not None
    Person.campaign = Campaign(
        Layout(Path(options.demo).resolve(), options.demo_port), options.run_time or _DEFAULT_RUN_S
    )


@events.test_stop.add_listener  # type: ignore[untyped-decorator]  # locust's hooks have no types
def _judge(environment: Environment, **_: object) -> None:
    campaign = Person.campaign
    campaign.end()
    environment.process_exit_code = 1 if campaign.report.failures() else 0
    if environment.web_ui is not None:
        print(campaign.summary())


@events.quit.add_listener  # type: ignore[untyped-decorator]  # locust's hooks have no types
def _print_last(**_: object) -> None:
    """Below what locust prints of its own."""
    print(Person.campaign.summary())
