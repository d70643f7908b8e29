"""Reads an exposition back, for tests that ask what a scrape would see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from prometheus_client.parser import text_string_to_metric_families

from proxy.observe.exporter import Reading, render
from proxy.observe.rows import CellUsers, RelayState
from proxy.observe.token_keys import TokenKeyState

CELLS: Final = ("eu-1", "us-1")


class Scrape:
    """The samples of one exposition by name and labels."""

    def __init__(self, text: str) -> None:
        self._samples = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def value(self, name: str, **labels: str) -> float | None:
        """The sample's value, None when there is no such sample."""
        return self._samples.get((name, frozenset(labels.items())))

    def total(self, name: str, **labels: str) -> float:
        """The sum of the samples that have at least these labels."""
        wanted = set(labels.items())
        return sum(value for (found, has), value in self._samples.items() if found == name and wanted <= has)

    def labelled(self, name: str) -> list[Mapping[str, str]]:
        """The label sets of every sample with this name."""
        return [dict(labels) for found, labels in self._samples if found == name]


def scrape(
    totals: list[int],
    flags: tuple[frozenset[str], ...] = (frozenset(), frozenset()),
    relays: Sequence[RelayState] | None = None,
    census: tuple[int, Sequence[CellUsers]] | None = None,
    token_keys: TokenKeyState | None = None,
) -> Scrape:
    """What a scrape shows of CELLS whose workers counted that much together."""
    reading = Reading(
        CELLS, totals, flags, None, 0, 0, (), relays=relays, census=census, token_keys=token_keys
    )
    body, _ = render(reading, accept="")
    return Scrape(body.decode())
