"""What is wrong with a config, where, and the mend; says nothing about how it was found."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Finding:
    """One mistake (the config is refused) or one warning (it is loaded).

    file  the file to open
    line  1-based line in it; 0 when the whole file is meant
    key   path of the key, e.g. `routes[0].static.status`; "" when the whole file is meant
    what  what is wrong, to be read after the key
    mend  what to write instead

    The texts quote the file, so what a terminal could take for a command is escaped.
    """

    file: Path
    line: int
    key: str
    what: str
    mend: str

    def __post_init__(self) -> None:
        for name in ("key", "what", "mend"):
            object.__setattr__(self, name, printable(getattr(self, name)))

    def __str__(self) -> str:
        place = printable(f"{self.file}:{self.line}" if self.line else str(self.file))
        subject = f"{self.key} " if self.key else ""
        return f"{place}: {subject}{self.what}; {self.mend}"


def printable(text: str) -> str:
    """The text with control characters and the like escaped."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


class ConfigError(Exception):
    """A config that cannot be used; `mistakes` holds all of them, ordered by file and line."""

    def __init__(self, mistakes: Sequence[Finding], warnings: Sequence[Finding] = ()) -> None:
        super().__init__("\n".join(str(mistake) for mistake in mistakes))
        self.mistakes = tuple(mistakes)
        self.warnings = tuple(warnings)


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that `word` was most likely meant to be, or None when nothing is near."""
    by_lower = {candidate.lower(): candidate for candidate in known}
    close = get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    if not close and len(word) > 1:  # a beginning; or a short word, of which two wrong letters are half
        typed = word.lower()
        close = [known for known in by_lower if known.startswith(typed) or sorted(known) == sorted(typed)]
    return by_lower[close[0]] if close else None


def _differs_by_number(word: str, other: str) -> bool:
    """Such as `cell-09` and `cell-02`: nobody can tell which was meant, unless one begins the other."""
    return not other.startswith(word) and re.sub(r"[0-9]+", "0", word) == re.sub(r"[0-9]+", "0", other)


def choose(word: str, known: Iterable[str]) -> str:
    """The mend for an unknown word: the nearest known one, else all of them."""
    candidates = sorted(known)
    near = nearest(word, candidates)
    if near is not None and not _differs_by_number(word, near):
        return f"did you mean `{near}`?"
    return f"known: {', '.join(candidates)}" if candidates else "there are none yet"
