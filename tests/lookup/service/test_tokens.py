"""The file of tokens: what it grants, and that a mistake in it is named and no token shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from lookup.service.tokens import Caller, Right, TokensFileError, load_token, load_tokens

READ, WRITE = "r" * 32, "w" * 40


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "tokens"
    path.write_text(f"# edges\nread {READ}\n\n  write {WRITE} # ann\n")
    return path


@pytest.mark.parametrize(
    ("authorization", "right"),
    [
        (f"Bearer {READ}", Right.READ),
        (f"bearer {WRITE}", Right.WRITE),
        (f"Bearer  {READ} ", Right.READ),
        (f"Basic {READ}", Right.NONE),
        (READ, Right.NONE),
        ("Bearer", Right.NONE),
        ("", Right.NONE),
        (f"Bearer {READ[:-1]}", Right.NONE),
        (f"Bearer {READ}r", Right.NONE),
        (f"Bearer {READ} {WRITE}", Right.NONE),
        ("Bearer \udcff", Right.NONE),
    ],
)
def test_a_token_grants_what_its_line_says(file: Path, authorization: str, right: Right) -> None:
    assert load_tokens(file).caller(authorization).right is right


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (f"admin {READ}\n", ":1: write `read TOKEN NAME` or `write TOKEN NAME`"),
        (f"\n{READ}\n", ":2: write `read TOKEN NAME`"),
        ("read short\n", ":1: the token is shorter than 32 characters"),
        (f"write {READ} a b\n", ":1: write `read TOKEN NAME`"),
        (f"read {READ}\nwrite {READ} ann\n", ":2: the token stands in a line above"),
        ("# nothing\n", "holds no token"),
        (f"read {READ}ö\n", "not ASCII"),
    ],
)
def test_a_mistake_is_named_by_line_without_the_token(file: Path, text: str, complaint: str) -> None:
    file.write_text(text, encoding="utf-8")
    with pytest.raises(TokensFileError) as mistake:
        load_tokens(file)
    assert complaint in str(mistake.value)
    assert READ not in str(mistake.value)


def test_who_asks_has_the_name_that_the_line_gives(tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    path.write_text(f"read {READ}\nwrite {WRITE} billing # the nightly job\n")
    tokens = load_tokens(path)
    assert tokens.caller(f"Bearer {WRITE}") == Caller(Right.WRITE, "billing")
    assert tokens.caller(f"Bearer {READ}") == Caller(Right.READ)
    assert tokens.caller(f"Bearer {READ}{WRITE}") == Caller(Right.NONE)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    for load in (load_tokens, load_token):
        with pytest.raises(TokensFileError, match="none: cannot be read"):
            load(tmp_path / "none")


def test_a_clients_file_holds_one_token(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(f"{READ}\n")
    assert load_token(path) == READ
