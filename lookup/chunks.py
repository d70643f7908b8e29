"""A long sequence a bounded number of items at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def chunks(items: Iterable[T], most: int) -> Iterator[list[T]]:
    """All items in order, at most so many in each list; none is empty. Takes no more than it gives."""
    source = iter(items)
    while chunk := list(islice(source, most)):
        yield chunk
