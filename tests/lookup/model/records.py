"""What was true when: every record that the truth ever held, and what was promised to writers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lookup.assignment import NO_EPOCH, Assignment, State


class Records:
    """`past` is by key and epoch. Epochs may be passed over between two looks, never taken back."""

    def __init__(self) -> None:
        self.past: dict[str, dict[int, Assignment]] = {}
        self.promised: list[Assignment] = []
        self.told: dict[str, int] = {}

    def epoch(self, key: str) -> int:
        """The latest that was seen."""
        return max(self.past.get(key, {NO_EPOCH: None}))

    def cells_since(self, key: str, epoch: int) -> set[str]:
        """Where the key was at home at that epoch and later."""
        return {record.cell for at, record in self.past.get(key, {}).items() if at >= epoch}

    def saw(self, truth: Mapping[str, Assignment], keys: Iterable[str]) -> None:
        """Epochs never go back, and one epoch has one record."""
        for key in keys:
            record = truth.get(key)
            epoch = NO_EPOCH if record is None else record.epoch
            assert epoch >= self.epoch(key), f"{key} went back from epoch {self.epoch(key)} to {epoch}"
            if record is not None:
                self.remember(record)

    def remember(self, record: Assignment) -> None:
        """This was the truth once."""
        known = self.past.setdefault(record.key, {}).setdefault(record.epoch, record)
        assert known == record, f"epoch {record.epoch} of {record.key} is {known} and {record}"

    def promise(self, record: Assignment) -> None:
        """A writer heard that this is written."""
        self.remember(record)
        self.promised.append(record)
        del self.promised[:-20]

    def check_promises(self, truth: Mapping[str, Assignment]) -> None:
        """A committed write is never lost."""
        for record in self.promised:
            now = truth.get(record.key)
            assert now is not None, f"{record} was lost"
            assert now.epoch >= record.epoch, f"{record} was lost: the truth is {now}"

    def hear(self, told: Iterable[Assignment]) -> None:
        """What the feed tells was the truth once."""
        for record in told:
            self.told[record.key] = max(record.epoch, self.told.get(record.key, 0))
            self.remember(record)

    def check_told(self, truth: Mapping[str, Assignment]) -> None:
        """Every committed change has reached the feed. First placements need not: nothing older is around."""
        for key, record in truth.items():
            assert record.epoch == 1 or self.told.get(key, 0) == record.epoch, (
                f"the feed knows epoch {self.told.get(key, 0)} of {record}"
            )

    def check_pair(self, key: str, cell: str, epoch: int, *, unsafe: bool) -> None:
        """The cell was the home at that epoch, for writes too if need be."""
        record = self.past.get(key, {}).get(epoch)
        assert record is not None, f"{key} never had epoch {epoch}"
        assert record.cell == cell, f"{key} was in {record.cell} at epoch {epoch}, not in {cell}"
        assert not unsafe or record.state is State.PLACED, f"a write of {key} goes to {cell} as it moves"
