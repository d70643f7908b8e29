"""The list of users to be moved, as people and scripts write it: `key [target cell]` on each line.

From a word that begins with `#` on, a line is a remark; empty lines say nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from lookup.keys import InvalidKeyError, is_hash, parse_key


@dataclass(frozen=True, slots=True)
class Wish:
    """One user who is to be moved; `target` is "" when any permitted cell will do."""

    key: str
    target: str = ""


class BadLineError(ValueError):
    """The line is no wish; the text says what is wrong with it."""


def parse_line(line: bytes) -> Wish | None:
    """What the line asks for, if anything. Raises BadLineError."""
    try:
        text = line.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadLineError("it is no UTF-8 text") from error
    words = _without_remark(text.split())
    if not words:
        return None
    if len(words) > 2:
        raise BadLineError(f"it has {len(words)} words; write `key` or `key cell`, and remarks after a #")
    try:
        key = words[0] if is_hash(words[0]) else parse_key(words[0])
    except InvalidKeyError as error:
        raise BadLineError(str(error)) from error
    return Wish(key, words[1] if len(words) == 2 else "")


def format_line(wish: Wish, remark: str = "") -> str:
    """A line, with its end, that asks for the same."""
    words = [wish.key, *([wish.target] if wish.target else []), *(["#"] if remark else []), *remark.split()]
    return " ".join(words) + "\n"


def _without_remark(words: list[str]) -> list[str]:
    for index, word in enumerate(words):
        if word.startswith("#"):
            return words[:index]
    return words
