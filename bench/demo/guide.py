"""What there is to try: each step as a command line to paste, and as what the self-check does and expects.

Sends nothing itself.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from bench.demo.layout import EdgeLayout, Layout, hooks_url
from bench.demo.population import UNKNOWN_USER, resident
from bench.demo.sample_cell import COPY_PATH
from bench.demo.tokens import Tokens
from proxy.model import Cell

APPLIED_WITHIN_S: Final = 1.0
"""A flag reaches every worker within this time."""


@dataclass(frozen=True, slots=True)
class Credential:
    """A token in a file of its own, so that a command line stays short."""

    file: Path
    token: str


@dataclass(frozen=True, slots=True)
class Ask:
    """One request and the summary that its reply must have (see replies.summary).

    bearer, session  the credential, in Authorization or in the session cookie
    found_by         "" or what must have said the home: "claim" (token or cookie) or "lookup"
    jar              "" or "fill" (keep the cookies that the reply sets) or "use" (send those that were kept)
    record           "" or "note" (remember the user's record in the reply) or "same" (it must be that one)
    settles          the answer may take APPLIED_WITHIN_S to become the expected one
    """

    shows: str
    edge: EdgeLayout
    path: str
    expected: str
    bearer: Credential | None = None
    session: Credential | None = None
    found_by: str = ""
    jar: str = ""
    record: str = ""
    settles: bool = False

    @property
    def url(self) -> str:
        return self.edge.url + self.path


@dataclass(frozen=True, slots=True)
class Order:
    """One `homecell` command, which must succeed."""

    shows: str
    arguments: tuple[str, ...]


Step: TypeAlias = Ask | Order


class Guide:
    """The steps, each finding what it needs from those before; `cells[0]` is taken down and put back."""

    def __init__(self, layout: Layout, cells: Sequence[Cell], tokens: Tokens) -> None:
        self._layout = layout
        self._cells = cells
        self._tokens = tokens
        self.jar = layout.directory / "cookies.txt"

    def write_tokens(self) -> None:
        """The token files that the command lines name."""
        for credential in self._credentials():
            credential.file.parent.mkdir(parents=True, exist_ok=True)
            credential.file.write_text(credential.token, encoding="utf-8")

    def steps(self) -> list[Step]:
        return [*self._identity(), *self._refusals(), *self._moved(), *self._down_and_back()]

    def known_users(self) -> Iterator[Ask]:
        """What is answered also while the store is away: safe requests of users whom the edge knows."""
        eu = self._layout.eu
        yield Ask(
            "who has a claim is served", eu, "/me", f"200 from {self._cells[0].name}", bearer=self._claim
        )
        yield Ask(
            "who was looked up is served", eu, "/me", f"200 from {self._cells[1].name}", bearer=self._plain
        )

    def more(self, homecell: Path) -> Iterator[tuple[str, str]]:
        """Further command lines, each after what it shows."""
        command, config = _short(homecell), _short(self._layout.config(self._layout.eu))
        yield "why does this user go there?", shlex.join([command, "explain", "user:42", "--config", config])
        yield "is the store well?", shlex.join([command, "store", "status", "--config", config])
        yield "the cells, their flags and how many users each has", f"{command} cells list --config {config}"
        yield (
            "each request: cell, tier, epoch, reason",
            f"tail -f {_short(self._layout.directory / 'access.log')}",
        )
        yield "the metrics of all workers, by cell", f"curl {self._layout.eu.admin_url}/metrics"

    def hint(self, homecell: Path) -> str:
        """What changes the live lines at once, for where the other command lines are out of sight."""
        cell, command = self._cells[0].name, _short(homecell)
        return "\n".join(
            (
                "to try, in another terminal, from this directory (the other lines: scroll up):",
                f"  export HOMECELL_CONFIG={_short(self._layout.config(self._layout.eu))}",
                f"  {command} cells flag {cell} down --reason demo",
                f"  {command} cells flag {cell} serving",
                "Ctrl-C ends everything",
            )
        )

    def _identity(self) -> Iterator[Step]:
        eu, us = self._layout.eu, self._layout.us
        first, second, third = self._cells[0].name, self._cells[1].name, self._cells[2].name
        yield Ask(
            "the token names the home: nothing is looked up",
            eu, "/me", f"200 from {first}", bearer=self._claim, found_by="claim",
        )  # fmt: skip
        yield Ask(
            "the token says who, the lookup says where",
            eu, "/me", f"200 from {second}", bearer=self._plain, found_by="lookup",
        )  # fmt: skip
        yield Ask("a user of us, on the edge in us", us, "/me", f"200 from {third}", bearer=self._american)
        yield Ask(
            "the same one travelling",
            eu,
            "/me",
            f"200 from {third}",
            bearer=self._american,
        )
        yield Ask(
            "a browser is looked up, and given a routing cookie",
            eu, "/me", f"200 from {second}, sets home_cell", session=self._plain, found_by="lookup",
            jar="fill",
        )  # fmt: skip
        yield Ask(
            "with the routing cookie nothing is looked up",
            eu, "/me", f"200 from {second}", jar="use", found_by="claim",
        )  # fmt: skip

    def _refusals(self) -> Iterator[Step]:
        eu, us = self._layout.eu, self._layout.us
        yield Ask("a wrong signature", eu, "/me", "401 invalid-credential", bearer=self._forged)
        yield Ask("no credential", eu, "/me", "401 no-credential")
        yield Ask("a user whom nobody knows", eu, "/me", "404 unknown-home", bearer=self._stranger)
        yield Ask(
            "a user of eu on the edge in us: nothing is forwarded",
            us,
            "/me",
            "421 wrong-edge",
            bearer=self._plain,
        )

    def _moved(self) -> Iterator[Step]:
        eu, (old, new) = self._layout.eu, self._cells[:2]
        copy = hooks_url(new) + COPY_PATH
        move = ("users", "move", f"user:{self._mover}", "--to", new.name, "--copy-command", copy)
        yield Ask(
            f"user:{self._mover} and its record", eu, "/me", f"200 from {old.name}", bearer=self._moving,
            record="note",
        )  # fmt: skip
        yield Order(
            f"move it to {new.name}, which takes its record from {old.name}",
            (*move, "--config", str(self._layout.config(eu))),
        )
        yield Ask(
            "the new cell answers the same line, with the same record, though the token names the old one",
            eu, "/me", f"200 from {new.name}, with the same record", bearer=self._moving, record="same",
            settles=True,
        )  # fmt: skip

    def _down_and_back(self) -> Iterator[Step]:
        eu, home = self._layout.eu, self._cells[0].name
        down, back = self._flag(home, "down"), self._flag(home, "serving")
        yield Order(f"take {home} out", down)
        yield Ask(
            "its users get this route's static answer, marked",
            eu, "/status", "200, degraded: cell-down", bearer=self._claim, settles=True,
        )  # fmt: skip
        yield Ask(
            "or an honest 503 with Retry-After",
            eu, "/me", "503 cell-down, degraded: cell-down", bearer=self._claim, settles=True,
        )  # fmt: skip
        yield Ask(
            "the other cells' users notice nothing",
            eu,
            "/me",
            f"200 from {self._cells[1].name}",
            bearer=self._plain,
        )
        yield Order(f"put {home} back", back)
        yield Ask(
            "and its users are served again", eu, "/me", f"200 from {home}", bearer=self._claim, settles=True
        )

    def _flag(self, cell: str, flag: str) -> tuple[str, ...]:
        config = str(self._layout.config(self._layout.eu))
        return ("cells", "flag", cell, flag, "--reason", "demo", "--config", config)

    @property
    def _claim(self) -> Credential:
        home = self._cells[0]
        return self._credential("claim", self._tokens.token(resident(home, self._cells), "HS256", home.name))

    @property
    def _plain(self) -> Credential:
        return self._credential("plain", self._tokens.token(resident(self._cells[1], self._cells), "RS256"))

    @property
    def _american(self) -> Credential:
        return self._credential(
            "american", self._tokens.token(resident(self._cells[2], self._cells), "ES256")
        )

    @property
    def _mover(self) -> int:
        return resident(self._cells[0], self._cells, 11)

    @property
    def _moving(self) -> Credential:
        return self._credential("moving", self._tokens.token(self._mover, "HS256", self._cells[0].name))

    @property
    def _forged(self) -> Credential:
        return self._credential("forged", self._tokens.forged(resident(self._cells[0], self._cells)))

    @property
    def _stranger(self) -> Credential:
        return self._credential("stranger", self._tokens.token(UNKNOWN_USER, "EdDSA"))

    def _credentials(self) -> tuple[Credential, ...]:
        return (self._claim, self._plain, self._american, self._moving, self._forged, self._stranger)

    def _credential(self, name: str, token: str) -> Credential:
        return Credential(self._layout.directory / "tokens" / name, token)


def command_line(step: Step, jar: Path, homecell: Path) -> str:
    """The step as a person would type it in the present directory."""
    if isinstance(step, Order):
        arguments = [_short(Path(word)) if word.startswith("/") else word for word in step.arguments]
        return shlex.join([_short(homecell), *arguments])
    words = ["curl -i"]
    if step.bearer:
        words.append(f'-H "Authorization: Bearer $(cat {shlex.quote(_short(step.bearer.file))})"')
    if step.session:
        words.append(f'-b "session=$(cat {shlex.quote(_short(step.session.file))})"')
    if step.jar:
        words.append(f"{'-c' if step.jar == 'fill' else '-b'} {shlex.quote(_short(jar))}")
    return " ".join([*words, step.url])


def _short(path: Path) -> str:
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative
