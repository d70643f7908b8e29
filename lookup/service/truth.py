"""What the service passes on to the store as it is: writes and flags."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from lookup.assignment import NO_EPOCH, Assignment
from lookup.flags import Flag, flag_form
from lookup.keys import AS_THEY_ARE, KeySpelling
from lookup.ports import EpochConflictError, Store
from lookup.service.cells import CellAnswers
from lookup.service.forms import MAX_BATCH_KEYS, Json, record_form, record_of
from lookup.service.problems import ProblemError
from lookup.writer import place

_MAX_NAME_CHARS: Final = 64
_MAX_REASON_CHARS: Final = 1000


class TruthAnswers:
    """Raises ValueError for what is not as it should be, else what the store raises."""

    def __init__(
        self,
        store: Store,
        cells: CellAnswers,
        clock: Callable[[], float],
        spelling: KeySpelling = AS_THEY_ARE,
    ) -> None:
        self._spelling = spelling
        self._store = store
        self._cells = cells
        self._clock = clock

    async def place(self, text: str, form: object) -> Mapping[str, Json]:
        """The key's home: the one that it has already, or a new one: that which was asked for, if any."""
        match form:
            case dict() if "cell" not in form:
                return await self._cells.place(text, form)
            case {"cell": str() as cell, "jurisdiction": str() as jurisdiction}:
                key = self._spelling.admit(text)
                _check_names(cell, jurisdiction)
                return record_form(await place(self._store, key, cell, jurisdiction, self._clock()))
        raise ValueError("the body is no object with the texts `jurisdiction` and, if need be, `cell`")

    async def put(self, text: str, form: object) -> Mapping[str, Json]:
        """The record, written if the store's has the expected epoch and names the same cell."""
        match form:
            case {"home": home, "expected_epoch": int() | None as expected}:
                record = record_of(home)
            case _:
                raise ValueError("the body is no object with `home` and `expected_epoch`")
        record.key = self._spelling.admit(record.key)
        if record.key != self._spelling.admit(text):
            raise ValueError("the home's key is not the one in the path")
        _check_names(record.cell, record.jurisdiction)
        expected_epoch = NO_EPOCH if expected is None else expected
        await self._insist_on_same_cell(record, expected_epoch)
        await self._store.compare_and_set(record, expected_epoch)
        return record_form(record)

    async def _insist_on_same_cell(self, new: Assignment, expected_epoch: int) -> None:
        """An epoch's record never changes, so nothing can come between this and the write."""
        current = (await self._store.confirm([new.key])).get(new.key)
        found_epoch = NO_EPOCH if current is None else current.epoch
        if found_epoch != expected_epoch or (current is not None and current.key != new.key):
            raise EpochConflictError(new.key, expected_epoch, current)
        if current is not None and current.cell != new.cell:
            mend = "nobody would wait for its writes or copy its bytes; move it: POST /v1/moves"
            raise ProblemError("home-elsewhere", f"{new.key} is at home in {current.cell}; {mend}")

    async def load(self, form: object) -> Mapping[str, Json]:
        """How many of the records were new, and are written now."""
        match form:
            case {"homes": list() as homes} if len(homes) <= MAX_BATCH_KEYS:
                records = [record_of(home) for home in homes]
            case _:
                raise ValueError(f"the body is no object with a list `homes` of at most {MAX_BATCH_KEYS}")
        for record in records:
            record.key = self._spelling.admit(record.key)
            _check_names(record.cell, record.jurisdiction)
        return {"written": await self._store.load(records)}

    async def flags(self) -> Mapping[str, Json]:
        """Every flag there is."""
        return {"flags": [flag_form(record) for record in (await self._store.flags()).values()]}

    async def set_flag(self, cell: str, form: object) -> Mapping[str, Json]:
        """The cell's new flag."""
        match form:
            case {"flag": str() as flag, "reason": str() as reason, "author": str() as author, **rest}:
                expires_at_s = rest.get("expires_at_s")
                set_at_s = rest.get("set_at_s", self._clock())
            case _:
                raise ValueError("the body is no object with the texts `flag`, `reason` and `author`")
        if not isinstance(set_at_s, int | float) or not isinstance(expires_at_s, int | float | None):
            raise ValueError("`set_at_s` and `expires_at_s` are Unix seconds")
        if len(reason) > _MAX_REASON_CHARS:
            raise ValueError(f"the reason is longer than {_MAX_REASON_CHARS} characters")
        _check_names(cell, author)
        record = await self._store.set_flag(
            cell, Flag(flag), reason=reason, author=author, now_s=set_at_s, expires_at_s=expires_at_s
        )
        return flag_form(record)


def _check_names(*names: str) -> None:
    for name in names:
        if not 0 < len(name) <= _MAX_NAME_CHARS or not name.isprintable():
            raise ValueError(f"a name has 1 to {_MAX_NAME_CHARS} printable characters")
