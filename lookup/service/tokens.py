"""Who may use the lookup service: bearer tokens from a file, compared in constant time."""

from __future__ import annotations

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


_WORDS: Final = {"read": Right.READ, "write": Right.WRITE}


class TokensFileError(Exception):
    """The file can't be used. The message names line and mend, and never a token."""


class Tokens:
    """The tokens of one file, kept as digests only."""

    def __init__(self, rights: dict[bytes, Right]) -> None:
        self._rights = tuple(rights.items())

    def right_of(self, authorization: str) -> Right:
        """What the value of an Authorization field permits. Compares with every token, whatever matches."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            return Right.NONE
        offered = sha256(token.strip().encode("utf-8", "surrogateescape")).digest()
        right = Right.NONE
        for digest, granted in self._rights:
            if compare_digest(digest, offered):
                right = granted
        return right


def load_tokens(path: Path) -> Tokens:
    """The tokens in a file of lines `read TOKEN` and `write TOKEN`; # a comment. Or TokensFileError."""
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not ASCII text"
        mend = "make it of lines `read TOKEN` and `write TOKEN`"
        raise TokensFileError(f"{path}: cannot be read ({reason}); {mend}") from error
    rights: dict[bytes, Right] = {}
    for number, line in enumerate(lines, 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        if len(words) != 2 or words[0] not in _WORDS:
            raise TokensFileError(f"{path}:{number}: write `read TOKEN` or `write TOKEN`")
        if len(words[1]) < MIN_TOKEN_CHARS:
            raise TokensFileError(
                f"{path}:{number}: the token is shorter than {MIN_TOKEN_CHARS} characters; "
                "make one: openssl rand -hex 32"
            )
        rights[sha256(words[1].encode()).digest()] = _WORDS[words[0]]
    if not rights:
        raise TokensFileError(f"{path}: holds no token; add a line `read TOKEN`")
    return Tokens(rights)


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
