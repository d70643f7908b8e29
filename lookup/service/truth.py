"""What the service passes on to the store as it is: writes and flags."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from lookup.assignment import NO_EPOCH, Alias, Assignment, State
from lookup.flags import Flag, flag_form
from lookup.key_mark import NO_CELL
from lookup.keys import AS_THEY_ARE, MARK, KeySpelling
from lookup.placer import PlacementPlan, closed_cells
from lookup.ports import EpochConflictError, Store
from lookup.service.admission import (
    check_names,
    check_record,
    expected_epoch_of,
    expiry_of,
    insist_on_nothing_else,
    insist_on_permitted,
    texts_of,
    time_of,
)
from lookup.service.cells import CellAnswers
from lookup.service.forms import MAX_BATCH_KEYS, Json, record_form, record_of
from lookup.service.problems import ProblemError
from lookup.writer import place

_MAX_REASON_CHARS: Final = 1000


class TruthAnswers:
    """Raises ValueError for what is not as it should be, ProblemError, else what the store raises.

    plan    the cells that there are, and whose users may live there; without cells anything is taken
    skew_s  the most by which the clock of who writes a record may be ahead of this one
    """

    def __init__(
        self,
        store: Store,
        cells: CellAnswers,
        plan: PlacementPlan,
        clock: Callable[[], float],
        skew_s: float,
        spelling: KeySpelling = AS_THEY_ARE,
    ) -> None:
        self._spelling = spelling
        self._store = store
        self._cells = cells
        self._plan = plan
        self._clock = clock
        self._skew_s = skew_s

    async def place(self, text: str, form: object) -> Mapping[str, Json]:
        """The key's home: the one that it has already, or a new one: that which was asked for, if any."""
        told = texts_of(form, "a placement", ("jurisdiction",), ("cell", "tenant"))
        key, jurisdiction = self._spelling.admit(text), told["jurisdiction"]
        if "cell" not in told:
            self._insist_on_true_mark(key, "", "")
            return await self._cells.place(key, jurisdiction, told.get("tenant", ""))
        if "tenant" in told:
            raise ValueError("a placement into a named cell has no `tenant`")
        return record_form(await self._place(key, told["cell"], jurisdiction))

    async def put(self, text: str, form: object) -> Mapping[str, Json]:
        """The record, written if the store's has the expected epoch and names the same cell."""
        match form:
            case {"home": home, "expected_epoch": expected}:
                record, expected_epoch = record_of(home), expected_epoch_of(expected)
            case _:
                raise ValueError("the body is no object with `home` and `expected_epoch`")
        self._admit(record)
        if record.key != self._spelling.admit(text):
            raise ValueError("the home's key is not the one in the path")
        record.aliases = await self._insist_on_same_cell(record, expected_epoch)
        await self._store.compare_and_set(record, expected_epoch)
        return record_form(record)

    async def load(self, form: object) -> Mapping[str, Json]:
        """How many of the records were new, and are written now. None is if one of them can't be."""
        match form:
            case {"homes": list() as homes} if len(homes) <= MAX_BATCH_KEYS:
                records = [record_of(home) for home in homes]
            case _:
                raise ValueError(f"the body is no object with a list `homes` of at most {MAX_BATCH_KEYS}")
        for record in records:
            self._admit(record)
        return {"written": await self._store.load(records)}

    def _admit(self, record: Assignment) -> None:
        """Spell the record as the store does. Raises ValueError, ProblemError."""
        record.key = self._spelling.admit(record.key)
        self._insist_on_true_mark(record.key, record.cell, record.jurisdiction)
        check_record(record, self._latest_s())
        insist_on_permitted(self._plan, record.key, record.jurisdiction, record.cell)

    def _insist_on_true_mark(self, key: str, cell: str, jurisdiction: str) -> None:
        """Another one, and no program would take the store's keys for spelled as it is told."""
        if key == MARK and (cell, jurisdiction) != (NO_CELL, self._spelling.fingerprint):
            raise ValueError(
                "the mark of how keys are spelled is not this service's; give all programs the same "
                "`lookup.key_hash`, or none"
            )

    def _latest_s(self) -> float:
        return self._clock() + self._skew_s

    async def _place(self, key: str, cell: str, jurisdiction: str) -> Assignment:
        check_names(cell, jurisdiction)
        self._insist_on_true_mark(key, cell, jurisdiction)
        insist_on_permitted(self._plan, key, jurisdiction, cell)
        now_s = self._clock()
        if self._plan.cells:
            flags = await self._store.flags()
            if cell in closed_cells(flags, now_s):
                present = (await self._store.read([key])).get(key)
                if present is not None:
                    return present
                mend = f"choose another cell, or put it back: homecell cells flag {cell} serving"
                told = f"{cell} is flagged {flags[cell].shown}: {flags[cell].reason}"
                raise ProblemError("no-room", f"{key}: {told}; {mend}")
        return await place(self._store, key, cell, jurisdiction, now_s)

    async def _insist_on_same_cell(self, new: Assignment, expected_epoch: int) -> tuple[Alias, ...]:
        """The home's aliases: a record does not bring any. An epoch's record never changes, so nothing can
        come between this and the write."""
        current = (await self._store.confirm([new.key])).get(new.key)
        found_epoch = NO_EPOCH if current is None else current.epoch
        if found_epoch != expected_epoch or (current is not None and current.key != new.key):
            raise EpochConflictError(new.key, expected_epoch, current)
        if current is not None and current.cell != new.cell:
            mend = "nobody would wait for its writes or copy its bytes; move it: POST /v1/moves"
            raise ProblemError("home-elsewhere", f"{new.key} is at home in {current.cell}; {mend}")
        if current is not None and current.state is State.MOVING:
            mend = "its writes would go on while it is copied; abort the move: homecell moves list shows it"
            raise ProblemError("home-moving", f"{new.key} is being moved to {current.moved_to}; {mend}")
        return () if current is None else current.aliases

    async def flags(self) -> Mapping[str, Json]:
        """Every flag there is, with what it comes to now: one that has expired is as none."""
        records = await self._store.flags()
        closed = closed_cells(records, self._clock())
        return {
            "flags": [
                {**flag_form(record), "in_force": (Flag.DOWN if cell in closed else Flag.SERVING).value}
                for cell, record in records.items()
            ]
        }

    async def set_flag(self, cell: str, form: object) -> Mapping[str, Json]:
        """The cell's new flag."""
        match form:
            case {"flag": str() as flag, "reason": str() as reason, "author": str() as author, **rest}:
                expires_at_s = rest.pop("expires_at_s", None)
                set_at_s = rest.pop("set_at_s", self._clock())
                insist_on_nothing_else(rest, "a flag")
            case _:
                raise ValueError("the body is no object with the texts `flag`, `reason` and `author`")
        set_at_s = time_of("`set_at_s`", set_at_s, self._latest_s())
        expires_at_s = expiry_of("`expires_at_s`", expires_at_s, set_at_s)
        if len(reason) > _MAX_REASON_CHARS:
            raise ValueError(f"the reason is longer than {_MAX_REASON_CHARS} characters")
        check_names(cell, author)
        record = await self._store.set_flag(
            cell, Flag(flag), reason=reason, author=author, now_s=set_at_s, expires_at_s=expires_at_s
        )
        return flag_form(record)
