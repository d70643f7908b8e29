"""Lines of a list of users: what is written is read back, and what is read is a wish or a clear no."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lookup.keys import InvalidKeyError, parse_key
from lookup.move_list import BadLineError, Wish, format_line, parse_line

WORDS = st.text(min_size=1).filter(lambda text: not text.startswith("#") and len(text.split()) == 1)
CELLS = st.from_regex(r"[a-z0-9][a-z0-9-]{0,30}", fullmatch=True)


def is_key(text: str) -> bool:
    try:
        return parse_key(text) == text
    except InvalidKeyError:
        return False


KEYS = WORDS.map(lambda word: f"user:{word}").filter(is_key)


@given(key=KEYS, target=st.just("") | CELLS, remark=st.text())
@example(key="user:a#b", target="", remark="# \n eu-2")
def test_what_is_written_is_read_back_whatever_the_remark(key: str, target: str, remark: str) -> None:
    try:
        line = format_line(Wish(key, target), remark).encode()
    except UnicodeEncodeError:
        return  # a lone surrogate in the remark, which no file can hold
    assert line.count(b"\n") == 1
    assert parse_line(line) == Wish(key, target)


@given(line=st.binary() | st.text().map(lambda text: text.encode(errors="replace")))
def test_any_line_is_a_wish_with_a_canonical_key_or_says_nothing_or_is_refused(line: bytes) -> None:
    try:
        wish = parse_line(line)
    except BadLineError:
        return
    if wish is None:
        assert not line.decode("utf-8-sig").split("#")[0].strip()
    else:
        assert is_key(wish.key)
        assert parse_line(format_line(wish).encode()) == wish


@pytest.mark.parametrize(
    ("line", "wish"),
    [
        (b"user:42", Wish("user:42")),
        (b"\xef\xbb\xbfuser:42 eu-2\r\n", Wish("user:42", "eu-2")),
        (b"  user:42\teu-2  # asked for it\n", Wish("user:42", "eu-2")),
        (b"email:Ann@Example.org", Wish("email:ann@example.org")),
        (b"# user:42", None),
        (b" \n", None),
    ],
)
def test_lines_as_people_write_them(line: bytes, wish: Wish | None) -> None:
    assert parse_line(line) == wish


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (b"42", "kind:value"),
        (b"user:42 eu-2 eu-3", "3 words"),
        (b"user:\xff", "no UTF-8"),
        (b"person:42", "no kind of routing key"),
    ],
)
def test_a_line_that_is_no_wish_says_why(line: bytes, complaint: str) -> None:
    with pytest.raises(BadLineError, match=complaint):
        parse_line(line)
