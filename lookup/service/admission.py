"""What a record must be to be written through the service: judged before the store is asked. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from itertools import islice
from typing import Final

from lookup.assignment import NO_EPOCH, Assignment, State
from lookup.keys import MARK
from lookup.placer import PlacementPlan
from lookup.residency import objection
from lookup.service.problems import ProblemError

EPOCHS_END: Final = 2**53
"""JSON's numbers are exact below it, in every language."""

_GIVEN_EPOCHS_END: Final = 2**52 + 1
"""Each change takes an epoch: a record that is brought along leaves the other half to those to come."""

_MAX_NAME_CHARS: Final = 64
_FAR_S: Final = 100 * 365 * 86_400.0
_TOLD_MEMBERS: Final = 5


def check_names(*names: str) -> None:
    """Raises ValueError for what is no name of a cell, a jurisdiction or a person."""
    for name in names:
        if not 0 < len(name) <= _MAX_NAME_CHARS or not name.isprintable():
            raise ValueError(f"a name has 1 to {_MAX_NAME_CHARS} printable characters")


def check_record(record: Assignment, latest_s: float) -> None:
    """Raises ValueError for a record that no writer has made; its time must not be after `latest_s`."""
    check_names(record.cell, record.jurisdiction)
    if not 0 < record.epoch < _GIVEN_EPOCHS_END:
        raise ValueError(f"{record.key}: `epoch` is no whole number from 1 to 2^52")
    if record.state is State.MOVING or record.moved_to:
        raise ValueError(
            f"{record.key}: only a move makes a record `moving`, and ends that: write it as `placed`, "
            "`moved_to` empty, and move the user then: POST /v1/moves"
        )
    record.updated_at_s = time_of(f"{record.key}: `updated_at_s`", record.updated_at_s, latest_s)


def time_of(name: str, value: object, latest_s: float) -> float:
    """The Unix seconds of something that has happened. Raises ValueError.

    What is dated ahead would be the newest of all for ever.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
        raise ValueError(f"{name} is no time in Unix seconds")
    if value > latest_s:
        raise ValueError(
            f"{name} is {value!s:.40}, and this service's clock says {latest_s:.0f} at most: give Unix "
            "seconds, not milliseconds; if they are, set the clocks right"
        )
    return float(value)


def expiry_of(name: str, value: object, since_s: float) -> float | None:
    """The Unix seconds until which something holds from `since_s` on, None for ever. Raises ValueError."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < EPOCHS_END:
        raise ValueError(f"{name} is no time in Unix seconds")
    if value <= since_s:
        raise ValueError(f"{name} is over at {since_s:.0f} already; give a later time in Unix seconds")
    if value > since_s + _FAR_S:
        raise ValueError(f"{name} is a century away: give Unix seconds, not milliseconds, or null for ever")
    return float(value)


def insist_on_nothing_else(rest: Mapping[object, object], what: str) -> None:
    """Raises ValueError for members that nobody would look at: one of them may be misspelled."""
    if rest:
        raise ValueError(f"{what} has no {', '.join(sorted(f'`{name}`' for name in rest))}")


def texts_of(form: object, what: str, needed: Sequence[str], others: Sequence[str]) -> Mapping[str, str]:
    """The texts of a body. Raises ValueError: it tells which members are unknown, missing or no texts."""
    if not isinstance(form, dict):
        raise ValueError(f"the body is no object; {what} has {_listed(needed)}, and maybe {_listed(others)}")
    known = (*needed, *others)
    unknown = list(islice((name for name in form if name not in known), _TOLD_MEMBERS))
    meant = {name: near for name in unknown if (near := get_close_matches(name.lower(), known, n=1))}
    wrong = [
        f"has no `{name}`, "
        + (f"did you mean `{meant[name][0]}`?" if name in meant else f"but {_listed(known)}")
        for name in unknown
    ]
    spoken_of = {near[0] for near in meant.values()}
    wrong += [f"needs `{name}`" for name in needed if name not in form and name not in spoken_of]
    wrong += [f"has a `{name}` that is no text" for name in known if not isinstance(form.get(name, ""), str)]
    if wrong:
        raise ValueError(f"{what} {'; '.join(wrong)}")
    return form


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def expected_epoch_of(value: object) -> int:
    """The epoch that a record must have to be written over, NO_EPOCH for none. Raises ValueError."""
    if value is None:
        return NO_EPOCH
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value < EPOCHS_END:
        return value
    raise ValueError("`expected_epoch` is neither null nor a whole number from 1 to 2^53 - 1")


def insist_on_permitted(plan: PlacementPlan, key: str, jurisdiction: str, cell: str) -> None:
    """Raises ProblemError if such a user may not live there, as far as the service knows any cells."""
    if not plan.cells or key == MARK:
        return
    found = objection(plan, jurisdiction, cell)
    if found is not None:
        raise ProblemError("home-not-permitted", f"{key}: {found}")
