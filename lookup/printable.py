"""Texts that others wrote, for logs and terminals, which obey what can't be printed."""

from __future__ import annotations


def printable(text: str) -> str:
    """The same, with a question mark for each character that can't be printed: it is on one line, too."""
    return text if text.isprintable() else "".join(char if char.isprintable() else "?" for char in text)
