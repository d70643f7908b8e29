"""How an edge stands with the keys that verify tokens: values, of each worker and of all; no files."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class WorkerKeys(NamedTuple):
    """One worker's. `good_at_s` is when it last found the JWK Set file good, Unix seconds; 0.0: never."""

    in_force: int
    refused: int
    unusable: bool
    good_at_s: float


class TokenKeyState(NamedTuple):
    """The edge's: the fewest keys and the most mistakes of its workers.

    in_force  keys that tokens are checked against
    refused   entries of the JWK Set file that are left out
    unusable  the file can't be read or used: the keys of before stay in force
    age_s     since the file was last found good; None when it never was, or there is none
    """

    in_force: int
    refused: int
    unusable: bool
    age_s: float | None


def state_of(workers: Iterable[WorkerKeys], good_at_s: float, now_s: float) -> TokenKeyState | None:
    """Of all workers; None while none has told. `good_at_s` is when any of them, dead ones too, last found
    the file good, 0.0: never."""
    told = list(workers)
    if not told:
        return None
    return TokenKeyState(
        min(keys.in_force for keys in told),
        max(keys.refused for keys in told),
        any(keys.unusable for keys in told),
        max(0.0, now_s - good_at_s) if good_at_s else None,
    )
