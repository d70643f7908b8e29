"""Walks one request through the proxy's own decisions, and keeps what each room said and by which rule.

Opens no connection to a cell and sends nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping
from dataclasses import replace
from random import Random
from typing import Final

from lookup.assignment import NO_EPOCH, Assignment, State
from lookup.changes import ChangeFollower, FlagListener
from lookup.flags import FlagRecord
from lookup.ports import FeedingStore
from lookup.resolution import TIER_LABELS, Hint, Outcome, Resolution, Tier
from lookup.resolver import build_resolver
from lookup.tasks import end_tasks
from lookup.writer import FIRST_EPOCH
from proxy import errors, wiring
from proxy.cells.flags import FlagBoard
from proxy.cli.explanation import Explanation, Question, Step
from proxy.cli.tables import address, moment, span
from proxy.config import Settings
from proxy.errors import Refusal
from proxy.model import SOURCE_LABELS, Cell
from proxy.rooms.residency import UNTOLD, permitted_users
from proxy.rooms.routes import Route
from proxy.wire.request_head import SAFE_METHODS

_PATIENCE_S: Final = 2.0
"""For the feed to be caught up and for the lookup: a cold process may take longer than a running edge."""


class _CaughtUp(FlagListener):
    """Notices that the follower has read history and flags: from then on claims are judged as in a worker."""

    def __init__(self) -> None:
        self.event = asyncio.Event()

    def replaced(self, flags: Mapping[str, FlagRecord]) -> None:
        del flags
        self.event.set()


class Walk:
    """One question on its way through the rooms of one edge, as of `now_s` (Unix seconds)."""

    def __init__(self, settings: Settings, store: FeedingStore, question: Question, now_s: float) -> None:
        self.told = Explanation()
        self._settings = settings
        self._store = store
        self._question = question
        self._now_s = now_s
        self._spelling = wiring.key_spelling(settings)
        self._safe = question.method.encode() in SAFE_METHODS
        self._is_contradicted = False

    async def explain(self) -> Explanation:
        """Room after room until one ends the way. Raises StoreUnavailableError."""
        route = self._route()
        found = self._identify() if route is not None else None
        if route is None or found is None:
            return self.told
        self.told.key, hint = found
        key = self._stored_key()
        resolution = await self._resolve(key, hint)
        if not self._claim_suffices(resolution):
            resolution = await self._resolve(key, None)
        cell = await self._home(resolution, hint)
        if cell is None or not self._permitted(resolution, cell):
            return self.told
        self.told.cell = cell.name
        if await self._in_service(cell, route) and await self._settled(resolution):
            places = " or ".join(address(endpoint) for endpoint in cell.endpoints)
            in_turn = "its only endpoint" if len(cell.endpoints) == 1 else "connections go to each in turn"
            self.told.passes("endpoint", places, f"{in_turn}; not tried, nothing is sent")
            self.told.served = not self._is_contradicted
            self.told.client_gets = f"the reply of {cell.name}, if it answers"
            if self._is_contradicted:
                self._tell_contradiction(cell)
        return self.told

    def _route(self) -> Route | None:
        path = self._question.path
        route = wiring.routes(self._settings).find(path.encode())
        if route is None:
            self.told.ends("route", f"no route holds for {path}", "routes", errors.NO_ROUTE)
            return None
        fallback = "static" if route.static is not None else "fail"
        says = f"{route.prefix.decode()}, fallback {fallback}"
        self.told.passes("route", says, f"the longest prefix of {path}")
        return route

    def _identify(self) -> tuple[str, Hint | None] | None:
        if not self._question.token:
            self.told.passes("identify", self._question.key, "the user that you named; no token was given")
            return self._question.key, None
        identify = wiring.identify(self._settings, wiring.routing_cookies(self._settings))
        identify.reload(self._now_s)
        answer = identify.identify(b"Bearer " + self._question.token.encode(), b"", self._now_s)
        if isinstance(answer, Refusal):
            self.told.ends("identify", answer.detail, "keys and rules below `identity`", answer.problem)
            return None
        until = f"valid for {span(max(0.0, answer.expires_at_s - self._now_s))}"
        self.told.passes("identify", answer.key, f"{SOURCE_LABELS[answer.source]} token, {until}")
        return answer.key, answer.hint

    def _stored_key(self) -> str:
        """From here on the key is what the store has."""
        key = self._spelling.admit(self.told.key)
        if key != self.told.key:
            self.told.passes("key", f"kept as {key}", "lookup.key_hash")
        return key

    async def _resolve(self, key: str, hint: Hint | None) -> Resolution:
        """By the resolver of the proxy, fed by the change feed as in a worker that just started."""
        settings = wiring.lookup_settings(self._settings)
        patient = replace(settings, deadline_s=max(settings.deadline_s, _PATIENCE_S))
        resolver = build_resolver(self._store, patient, Random())
        caught_up = _CaughtUp()
        follower = ChangeFollower(
            self._store,
            self._store,
            resolver,
            caught_up,
            settings.claim_lifetime_s,
            time.time,
            Random(),
        )
        following = asyncio.create_task(follower.run())
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_PATIENCE_S):
                    await caught_up.event.wait()
            return await resolver.resolve(key, hint, time.time(), self._safe)
        finally:
            await end_tasks([following])
            await resolver.close()

    async def _home(self, resolution: Resolution, hint: Hint | None) -> Cell | None:
        if hint is not None:
            self._tell_claim(resolution, hint)
        tier = TIER_LABELS[resolution.tier]
        if resolution.outcome == Outcome.UNKNOWN:
            self.told.ends(
                "lookup", "the store has no home for this user", f"tier {tier}", errors.UNKNOWN_HOME
            )
            return None
        if resolution.outcome == Outcome.UNAVAILABLE:
            self.told.ends("lookup", "no tier answered in time", "lookup", errors.LOOKUP_UNAVAILABLE)
            return None
        if resolution.key != self._spelling.admit(self.told.key):
            says = f"{self.told.key} names {resolution.key}, and is at home where that is"
            self.told.passes("alias", says, "homecell users alias")
        record = (await self._store.read([resolution.key])).get(resolution.key)
        says = f"{resolution.cell}, {_epoch(resolution.epoch)}{self._record_text(record, resolution)}"
        cell = next((cell for cell in self._settings.cells if cell.name == resolution.cell), None)
        if cell is None:
            listed = f"not in {self._settings.cells_file.name}"
            if self._is_served_here(resolution.jurisdiction):
                self.told.ends("lookup", says, f"tier {tier}; {listed}", errors.HOME_NOT_LISTED)
            else:
                self.told.passes("lookup", says, f"tier {tier}; {listed}")
                self._tell_right_edge(resolution.jurisdiction, "that cell is not this edge's")
            return None
        claimed = resolution.tier == Tier.CLAIM
        self._is_contradicted = claimed and (record is None or record.cell != resolution.cell)
        contradiction = ', and the store disagrees: it decides when that cell says "not mine"'
        doubt = contradiction if self._is_contradicted else ""
        self.told.passes("lookup", says, f"tier {tier}{doubt}")
        return cell

    def _tell_contradiction(self, cell: Cell) -> None:
        """The request is sent to a cell that is not the home: believed was who signed the claim."""
        rule = 'a signed claim is believed until its cell says "not mine"; correct who signs it'
        self.told.steps.append(Step("home", False, f"{cell.name} is not the store's home of this user", rule))
        self.told.client_gets = (
            f'the reply of {cell.name}, which is not the home; if that says "not mine", '
            f"what `homecell explain {self.told.key}` says"
        )

    def _tell_claim(self, resolution: Resolution, hint: Hint) -> None:
        says = f"{hint.cell}, {_epoch(hint.epoch)}"
        if resolution.tier == Tier.CLAIM:
            rule = "believed: no move of this user is known since the token was issued"
        elif resolution.cell != hint.cell or resolution.epoch > hint.epoch != NO_EPOCH:
            rule = "overruled: the record is another"
        else:
            rule = "confirmed: it could not be believed alone"
        self.told.passes("claim", says, rule)

    def _record_text(self, record: Assignment | None, resolution: Resolution) -> str:
        if record is None:
            return "; the store has no record"
        told = _state(record, self._now_s)
        if record.cell == resolution.cell and record.epoch == resolution.epoch:
            return told
        return f"; the store says {record.cell}, {_epoch(record.epoch)}{told}"

    def _permitted(self, resolution: Resolution, cell: Cell) -> bool:
        edge = self._settings.edge
        user = resolution.jurisdiction or cell.jurisdiction
        says = f"user of {user}, edge in {edge.jurisdiction}, cell in {cell.jurisdiction}"
        if user in self._permitted_to(cell):
            self.told.passes("residency", says, self._residency_rule(user))
            return True
        self._tell_right_edge(user, says)
        return False

    def _permitted_to(self, cell: Cell) -> frozenset[str]:
        allow = {name: rule.allow for name, rule in self._settings.residency.items()}
        return permitted_users(allow, self._settings.edge.jurisdiction, cell.jurisdiction)

    def _claim_suffices(self, resolution: Resolution) -> bool:
        """Not where some who may live in the claimed cell may not pass: it doesn't tell whose law holds."""
        cell = next((cell for cell in self._settings.cells if cell.name == resolution.cell), None)
        if resolution.tier != Tier.CLAIM or cell is None:
            return True
        permitted = self._permitted_to(cell)
        return UNTOLD in permitted or not permitted

    def _is_served_here(self, jurisdiction: str) -> bool:
        """Whether some cell may have these users; also when it isn't known whose law they are under."""
        return not jurisdiction or any(jurisdiction in self._permitted_to(c) for c in self._settings.cells)

    def _residency_rule(self, user: str) -> str:
        rule = self._settings.residency.get(user)
        return f"residency.{user} allows {', '.join(rule.allow if rule else ()) or 'nobody'}"

    def _tell_right_edge(self, user: str, says: str) -> None:
        right = self._settings.residency.get(user)
        more = f", sent to {right.edge_url}" if right else ""
        self.told.ends("residency", says, self._residency_rule(user), errors.WRONG_EDGE, more)

    async def _in_service(self, cell: Cell, route: Route) -> bool:
        records = await self._store.flags()
        record = records.get(cell.name)
        if cell.name not in FlagBoard(records.values(), self._now_s).down:
            self.told.passes("flag", "serving", _flag_rule(record, self._now_s))
            return True
        self.told.ends("flag", "down", _flag_rule(record, self._now_s), errors.CELL_DOWN)
        if route.static is not None and self._safe:
            self.told.status = route.static.status
            self.told.client_gets = f"{route.static.status}, the static reply of {route.prefix.decode()}"
        self.told.client_gets += f", marked X-Home-Cell-Degraded: {errors.CELL_DOWN.slug}"
        return False

    async def _settled(self, resolution: Resolution) -> bool:
        if resolution.state != State.MOVING:
            return True
        record = (await self._store.read([resolution.key])).get(resolution.key)
        target = "" if record is None or record.state is not State.MOVING else f" to {record.moved_to}"
        says, method = f"the user is being moved{target}", self._question.method
        if self._safe:
            meanwhile = f"{resolution.cell} answers it until the move is over; unsafe ones get 503"
            self.told.passes("move", says, f"{method} is safe: {meanwhile}")
            return True
        rule = f"{method} is not safe: 503 until the move is over, then as before; safe ones are answered"
        self.told.ends("move", says, rule, errors.MOVING, f", Retry-After: {errors.MOVING.retry_after_s} s")
        return False


def _state(record: Assignment, now_s: float) -> str:
    """`, moving to cell-b for 8 s`: what holds since the record was last changed."""
    age = span(max(0.0, now_s - record.updated_at_s)) if record.updated_at_s else ""
    if record.state is State.MOVING:
        return f", moving to {record.moved_to}" + (f" for {age}" if age else "")
    if not age:
        return ""
    return f", placed {age} ago" if record.epoch == FIRST_EPOCH else f", at home there for {age}"


def _epoch(epoch: int) -> str:
    return "no epoch" if epoch == NO_EPOCH else f"epoch {epoch}"


def _flag_rule(record: FlagRecord | None, now_s: float) -> str:
    if record is None:
        return "nobody ever flagged this cell"
    said = f"flagged {record.shown} by {record.author} at {moment(record.set_at_s)}"
    reason = f": {record.reason}" if record.reason else ""
    if record.expires_at_s is None:
        return said + reason
    ended = "expired" if record.expires_at_s <= now_s else "until"
    return f"{said}, {ended} {moment(record.expires_at_s)}{reason}"
