"""Canonical base64url and strict JSON: one value, one spelling."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.rooms.canonical import decode_base64url, encode_base64url, read_object


@given(st.binary())
def test_what_was_encoded_is_decoded(raw: bytes) -> None:
    assert decode_base64url(encode_base64url(raw)) == raw


@given(st.binary(max_size=60))
def test_any_other_bytes_are_refused_or_are_the_canonical_form(text: bytes) -> None:
    raw = decode_base64url(text)
    assert raw is None or encode_base64url(raw) == text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"QQ==", "padding"),
        (b"QQ=", "half the padding"),
        (b"QR", "last bits that are not zero"),
        (b"Q", "a lone character"),
        (b"QUI+", "the other alphabet"),
        (b"QUI/", "the other alphabet"),
        (b"QU I", "a blank"),
        (b"QUI\n", "a line end"),
        (b"QU\xc3\xa9", "beyond ASCII"),
    ],
)
def test_another_spelling_is_refused(text: bytes, reason: str) -> None:
    assert decode_base64url(text) is None, reason


def test_an_object_is_read() -> None:
    assert read_object(' {"a": [1, 2.5, true, null, "é"]} '.encode()) == {"a": [1, 2.5, True, None, "é"]}


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "nothing"),
        (b"[]", "an array"),
        (b'"a"', "a text"),
        (b'{"a":1,"a":1}', "a member named twice"),
        (b'{"a":{"b":1,"b":2}}', "an inner member named twice"),
        (b'{"a":1,"\\u0061":2}', "a member named twice, once with an escape"),
        (b'{"a":NaN}', "NaN"),
        (b'{"a":Infinity}', "Infinity"),
        (b'{"a":-Infinity}', "-Infinity"),
        (b'{"a":1}x', "something after the object"),
        (b'{"a":1,}', "a trailing comma"),
        (b'{"a":"\n"}', "a raw control character"),
        (b'\xef\xbb\xbf{"a":1}', "a byte order mark"),
        ('{"a":1}'.encode("utf-16"), "UTF-16"),
        (b'{"a":"\xff"}', "bytes that are not UTF-8"),
        (b'{"a":"\xed\xa0\x80"}', "a surrogate in UTF-8"),
        (b'{"a":"\\ud800"}', "a lone surrogate"),
        (b'{"\\udfff":1}', "a lone surrogate in a name"),
        (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nesting without end"),
        (b'{"a":' + b"9" * 8000 + b"}", "a number of thousands of digits"),
    ],
)
def test_what_is_not_strict_json_is_refused(raw: bytes, reason: str) -> None:
    assert read_object(raw) is None, reason


def test_a_pair_of_surrogates_is_one_character() -> None:
    assert read_object(b'{"a":"\\ud83d\\ude00"}') == {"a": "\U0001f600"}


@given(st.binary(max_size=200))
def test_reading_any_bytes_never_raises(raw: bytes) -> None:
    value = read_object(raw)
    assert value is None or isinstance(value, dict)


@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"])), st.integers() | st.booleans() | st.none()
    )
)
def test_what_a_strict_writer_wrote_is_read(members: dict[str, int | bool | None]) -> None:
    assert read_object(json.dumps(members).encode()) == members
