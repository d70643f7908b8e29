"""Who may use the lookup service: bearer tokens from a file, with names, compared in constant time."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from hashlib import sha256
from hmac import compare_digest
from pathlib import Path
from typing import Final

MIN_TOKEN_CHARS: Final = 32


class Right(IntEnum):
    """NONE: no valid token. READ: lookups, feed, flags. WRITE: changes too."""

    NONE = 0
    READ = 1
    WRITE = 2


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: what the token permits, and the name that its line gives, "" for none."""

    right: Right
    name: str = ""


NOBODY: Final = Caller(Right.NONE)
_WORDS: Final = {"read": Right.READ, "write": Right.WRITE}


class TokensFileError(Exception):
    """The file can't be used. The message names line and mend, and never a token."""


class Tokens:
    """The tokens of one file, kept as digests only."""

    def __init__(self, callers: dict[bytes, Caller]) -> None:
        self._callers = tuple(callers.items())

    def caller(self, authorization: str) -> Caller:
        """Who sends this value of an Authorization field. Compares with every token, whatever matches."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            return NOBODY
        offered = sha256(token.strip().encode("utf-8", "surrogateescape")).digest()
        caller = NOBODY
        for digest, known in self._callers:
            if compare_digest(digest, offered):
                caller = known
        return caller


def load_tokens(path: Path) -> Tokens:
    """The tokens in a file of lines `read TOKEN [NAME]` and `write TOKEN [NAME]`; # a comment.

    Raises TokensFileError.
    """
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not ASCII text"
        mend = "make it of lines `read TOKEN NAME` and `write TOKEN NAME`"
        raise TokensFileError(f"{path}: cannot be read ({reason}); {mend}") from error
    callers: dict[bytes, Caller] = {}
    for number, line in enumerate(lines, 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        if not 2 <= len(words) <= 3 or words[0] not in _WORDS:
            raise TokensFileError(f"{path}:{number}: write `read TOKEN NAME` or `write TOKEN NAME`")
        if len(words[1]) < MIN_TOKEN_CHARS:
            raise TokensFileError(
                f"{path}:{number}: the token is shorter than {MIN_TOKEN_CHARS} characters; "
                "make one: openssl rand -hex 32"
            )
        digest = sha256(words[1].encode()).digest()
        if digest in callers:
            raise TokensFileError(
                f"{path}:{number}: the token stands in a line above, too; remove one of them"
            )
        callers[digest] = Caller(_WORDS[words[0]], "".join(words[2:]))
    if not callers:
        raise TokensFileError(f"{path}: holds no token; add a line `read TOKEN`")
    return Tokens(callers)


def load_token(path: Path) -> str:
    """The token in a client's file: its only word. Raises TokensFileError."""
    try:
        words = path.read_text(encoding="ascii").split()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not ASCII text"
        raise TokensFileError(f"{path}: cannot be read ({reason})") from error
    if len(words) != 1 or len(words[0]) < MIN_TOKEN_CHARS:
        raise TokensFileError(f"{path}: holds not one token of {MIN_TOKEN_CHARS} characters or more")
    return words[0]
