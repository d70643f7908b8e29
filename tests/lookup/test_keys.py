from __future__ import annotations

import string
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lookup.keys import InvalidKeyError, Kind, keyed_hash, make_key, parse_key, user_key

SECRET = b"0123456789abcdef"


def test_a_user_key_is_its_kind_and_the_subject_as_it_is() -> None:
    assert user_key("42") == "user:42"
    assert user_key("auth0|Ab:c") == "user:auth0|Ab:c"


def test_an_address_is_compared_without_case() -> None:
    assert parse_key("email:Ann@Example.ORG") == "email:ann@example.org"


def test_texts_that_look_the_same_are_the_same_key() -> None:
    assert user_key("e\u0301") == user_key("\u00e9")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("42", "kind:value"),
        ("usr:42", "'usr' is no kind"),
        ("user:", "no value"),
        ("user:a b", "space"),
        ("user:a\nb", "control"),
        ("user:\ud800", "unprintable"),
        ("user:#ab", "'#'"),
        ("user:" + "x" * 257, "257 bytes"),
        ("email:ann", "name@domain"),
        ("email:@example.org", "name@domain"),
    ],
)
def test_a_text_that_is_no_key_is_refused_with_what_is_wrong(text: str, message: str) -> None:
    with pytest.raises(InvalidKeyError, match=message):
        parse_key(text)


def test_the_longest_allowed_value_counts_bytes_not_characters() -> None:
    assert user_key("é" * 128) == "user:" + "é" * 128
    with pytest.raises(InvalidKeyError, match="258 bytes"):
        user_key("é" * 129)


@given(st.sampled_from(Kind), st.text(max_size=300))
def test_what_is_accepted_stays_the_same_when_parsed_again(kind: Kind, value: str) -> None:
    try:
        key = make_key(kind, value)
    except InvalidKeyError:
        return
    assert parse_key(key) == key
    assert len(key.encode()) <= 256 + len("tenant:")


def spelled(parse: Callable[[], str]) -> str:
    try:
        return parse()
    except InvalidKeyError as error:
        return f"refused: {error}"


@given(
    st.sampled_from(Kind),
    st.one_of(
        st.text(max_size=8),
        st.text(string.printable + "#\x7f", max_size=4),
        st.integers(254, 258).map(lambda length: "x" * length),
    ),
)
@example(Kind.USER, "#")
@example(Kind.USER, "42\n")
@example(Kind.USER, "\x7f")
@example(Kind.EMAIL, "A@b")
def test_a_text_is_parsed_as_its_kind_and_value_are(kind: Kind, value: str) -> None:
    assert spelled(lambda: parse_key(f"{kind}:{value}")) == spelled(lambda: make_key(kind, value))


def test_a_hashed_key_keeps_its_kind_and_hides_its_value() -> None:
    hashed = keyed_hash("user:42", SECRET)
    assert hashed.startswith("user:#")
    assert len(hashed) == len("user:#") + 32
    assert hashed == keyed_hash("user:42", SECRET)
    assert hashed != keyed_hash("user:43", SECRET)
    assert hashed != keyed_hash("user:42", SECRET[::-1])


@pytest.mark.parametrize("secret", [b"short", b"x" * 65])
def test_a_secret_of_the_wrong_length_is_refused(secret: bytes) -> None:
    with pytest.raises(ValueError, match="16 to 64"):
        keyed_hash("user:42", secret)
