"""How records are written in the service's JSON, for service and client alike. Decoding raises ValueError."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from lookup.aliases import alias_in, as_record, left_mark
from lookup.assignment import Alias, Assignment, State
from lookup.flags import flag_form, flag_of
from lookup.ports import Change, KeyMove
from lookup.resolution import TIER_LABELS, Resolution

Json = None | bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"]

MAX_BATCH_KEYS: Final = 1000

MOST_WRITE_S: Final = 7200.0
"""Moves wait for as long as anybody says that a write may take which goes by a confirmed answer."""

STATE_LABELS: Final = ("placed", "moving")


@dataclass(frozen=True, slots=True)
class Found:
    """A home as the service's tiers know it. `tier` "stale": no tier answered, good for safe methods only.

    key   the home key: that of the key which was asked for, or which that one names
    """

    key: str
    cell: str
    jurisdiction: str
    epoch: int
    state: State
    tier: str


def found_form(found: Resolution, asked: str) -> Mapping[str, Json]:
    """A home as a lookup tells it; with the key that was `asked` for, if that one names the home's key."""
    form: dict[str, Json] = {
        "key": found.key,
        "cell": found.cell,
        "jurisdiction": found.jurisdiction,
        "epoch": found.epoch,
        "state": STATE_LABELS[found.state],
        "tier": TIER_LABELS[found.tier],
    }
    if asked != found.key:
        form["asked"] = asked
    return form


def found_of(form: object) -> Found:
    """The home in `found_form`."""
    match form:
        case {
            "key": str() as key,
            "cell": str() as cell,
            "jurisdiction": str() as jurisdiction,
            "epoch": int() as epoch,
            "state": "placed" | "moving" as state,
            "tier": str() as tier,
        }:
            return Found(key, cell, jurisdiction, epoch, State(STATE_LABELS.index(state)), tier)
    raise ValueError("not a home")


def record_form(record: Assignment, asked: str = "") -> Mapping[str, Json]:
    """A record as the store keeps it; with what was `asked` for, if that is not the record's key."""
    form: dict[str, Json] = {
        "key": record.key,
        "cell": record.cell,
        "jurisdiction": record.jurisdiction,
        "epoch": record.epoch,
        "state": STATE_LABELS[record.state],
        "moved_to": record.moved_to,
        "updated_at_s": record.updated_at_s,
        "aliases": [[alias.key, alias.epoch, alias.updated_at_s] for alias in record.aliases],
    }
    if asked and asked != record.key:
        form["asked"] = asked
    return form


def record_of(form: object) -> Assignment:
    """The record in `record_form`."""
    match form:
        case {
            "key": str() as key,
            "cell": str() as cell,
            "jurisdiction": str() as jurisdiction,
            "epoch": int() as epoch,
            "state": "placed" | "moving" as state,
            "moved_to": str() as moved_to,
            "updated_at_s": int() | float() as updated_at_s,
            **rest,
        }:
            if isinstance(epoch, bool):
                raise ValueError(f"{key}: `epoch` is no whole number")
            placed, at_s = State(STATE_LABELS.index(state)), _seconds(key, updated_at_s)
            aliases = _aliases_of(rest.get("aliases", []), key)
            return Assignment(key, cell, jurisdiction, epoch, placed, moved_to, at_s, aliases)
    raise ValueError(
        "not a home: key, cell, jurisdiction, epoch, state, moved_to and updated_at_s are needed"
    )


def _seconds(key: str, value: float) -> float:
    """JSON's numbers may be whole ones of any length."""
    with suppress(OverflowError):
        if not isinstance(value, bool):
            return float(value)
    raise ValueError(f"{key}: `updated_at_s` is no time in Unix seconds")


def alias_form(alias: Alias) -> Mapping[str, Json]:
    """An alias as the store keeps it."""
    return {
        "key": alias.key,
        "home": alias.home,
        "epoch": alias.epoch,
        "updated_at_s": alias.updated_at_s,
    }


def alias_of(form: object) -> Alias:
    """The alias in `alias_form`."""
    match form:
        case {
            "key": str() as key,
            "home": str() as home,
            "epoch": int() as epoch,
            "updated_at_s": int() | float() as updated_at_s,
        }:
            return Alias(key, home, epoch, _seconds(key, updated_at_s))
    raise ValueError("not an alias: key, home, epoch and updated_at_s are needed")


def change_form(change: Change) -> Mapping[str, Json]:
    """An event of the feed."""
    record, flagged, left = change.assignment, change.flag, change.left_cell
    if change.alias is not None:
        record, left = as_record(change.alias), left_mark(change.alias)
    return {
        "generation": change.generation,
        "sequence": change.sequence,
        "home": None if record is None else record_form(record),
        "left_cell": left,
        "flag": None if flagged is None else flag_form(flagged),
    }


def change_of(form: object) -> Change:
    """The event in `change_form`."""
    match form:
        case {
            "generation": str() as generation,
            "sequence": int() as sequence,
            "home": home,
            "left_cell": str() as left_cell,
            "flag": flag,
        }:
            record = None if home is None else record_of(home)
            alias = None if record is None else alias_in(record)
            if alias is not None:
                return Change(generation, sequence, alias=alias)
            flagged = None if flag is None else flag_of(flag)
            return Change(generation, sequence, record, flagged, left_cell)
    raise ValueError("not an event of the feed")


def history_head_form(covers_since_s: float, moves: int) -> Mapping[str, Json]:
    """The first line of a history: since when it is complete, and how many moves follow."""
    return {"covers_since_s": covers_since_s, "moves": moves}


def history_head_of(form: object) -> tuple[float, int]:
    """The two numbers in `history_head_form`."""
    match form:
        case {"covers_since_s": int() | float() as covers_since_s, "moves": int() as moves}:
            return covers_since_s, moves
    raise ValueError("not a history of moves")


def moves_form(moves: Sequence[KeyMove]) -> Sequence[Json]:
    """A further line: some moves, each a list to be short: key, epoch, Unix seconds, cell that was left."""
    return [[move.key, move.epoch, move.moved_at_s, move.left_cell] for move in moves]


def moves_of(form: object) -> list[KeyMove]:
    """The moves in `moves_form`."""
    if not isinstance(form, list):
        raise ValueError("not moves of keys")
    return [_move_of(row) for row in form]


def _aliases_of(rows: object, home: str) -> tuple[Alias, ...]:
    aliases: list[Alias] = []
    for row in rows if isinstance(rows, list) else [rows]:
        match row:
            case [str() as key, int() as epoch, int() | float() as updated_at_s]:
                aliases.append(Alias(key, home, epoch, updated_at_s))
            case _:
                raise ValueError("not an alias of a home")
    return tuple(aliases)


def _move_of(row: object) -> KeyMove:
    match row:
        case [str() as key, int() as epoch, int() | float() as at_s, str() as left_cell]:
            return KeyMove(key, epoch, at_s, left_cell)
    raise ValueError("not a move")
