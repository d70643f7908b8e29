"""What is refused before any cell is chosen: each rule with the ways to break it, whole and byte by byte."""

from __future__ import annotations

import pytest

from proxy.errors import Refusal
from proxy.wire import fields as f
from proxy.wire.request_head import RequestHead
from tests.proxy.wire.heads import accepted, byte_by_byte, get, head, post, received_in, refused
from tests.proxy.wire.refused_requests import EVERY_REFUSAL, HOST


@pytest.mark.parametrize(("status", "data"), EVERY_REFUSAL.values(), ids=EVERY_REFUSAL)
def test_a_head_that_breaks_a_rule_is_refused_with_its_status_and_the_connection_ends(
    status: int, data: bytes
) -> None:
    refusal = received_in([data])
    assert isinstance(refusal, Refusal), refusal
    assert refusal.problem.status == status
    assert refusal.problem.closes
    assert refusal.detail


@pytest.mark.parametrize(
    ("status", "data"),
    [pytest.param(*row, id=name) for name, row in EVERY_REFUSAL.items() if len(row[1]) < 2000],
)
def test_the_same_head_byte_by_byte_is_refused_no_later_than_at_its_end(status: int, data: bytes) -> None:
    refusal = received_in(byte_by_byte(data))
    assert isinstance(refusal, Refusal), refusal
    assert refusal.problem.status == status


@pytest.mark.parametrize(
    ("status", "data"),
    [pytest.param(*row, id=name) for name, row in EVERY_REFUSAL.items() if len(row[1]) >= 2000],
)
def test_an_oversize_head_in_pieces_is_refused_with_the_status_of_its_size(status: int, data: bytes) -> None:
    for piece_bytes in (61, 1460, 16384):
        pieces = [data[start : start + piece_bytes] for start in range(0, len(data), piece_bytes)]
        refusal = received_in(pieces)
        assert isinstance(refusal, Refusal), refusal
        assert refusal.problem.status == status


def test_what_stands_just_inside_every_limit_is_accepted() -> None:
    target = b"/" + b"a" * (f.MAX_TARGET_BYTES - 1)
    assert accepted(head(b"GET " + target + b" HTTP/1.1", HOST)).target == target
    longest = head(b"G" * 64 + b" " + target + b" HTTP/1.1", HOST)
    assert isinstance(received_in(byte_by_byte(longest)), RequestHead)
    assert len(accepted(get(*[b"X-A: 1"] * (f.MAX_FIELDS - 1))).fields) == f.MAX_FIELDS
    overhead = len(get(b"X-A: "))
    largest = get(b"X-A: " + b"a" * (f.MAX_HEAD_BYTES - overhead))
    assert len(largest) == f.MAX_HEAD_BYTES
    assert accepted(largest)
    assert refused(get(b"X-A: " + b"a" * (f.MAX_HEAD_BYTES - overhead + 1))).problem.status == 431


def test_no_control_character_is_accepted_anywhere_in_a_head() -> None:
    good = post(b"X-A: one two", b"Content-Length: 0")
    controls = [bytes((code,)) for code in (*range(0x20), 0x7F) if code != 0x09]
    for position in range(len(good) - 3):
        for control in controls:
            spoiled = good[:position] + control + good[position:]
            assert isinstance(received_in([spoiled]), Refusal), (control, position)
            replaced = good[:position] + control + good[position + 1 :]
            if replaced != good:
                assert isinstance(received_in([replaced]), Refusal), (control, position)


def test_a_tab_is_accepted_in_the_values_of_fields_and_nowhere_else() -> None:
    good = get(b"X-A: one two")
    value = range(good.index(b" one"), len(good) - 3)
    host = (good.index(b" a.example"), good.index(b"a.example"), good.index(b"a.example") + len(b"a.example"))
    for position in range(len(good) - 3):
        outcome = received_in([good[:position] + b"\t" + good[position:]])
        assert isinstance(outcome, RequestHead) == (position in value or position in host), position
