from __future__ import annotations

import pytest

from bench.demo.replies import locker, summary


@pytest.mark.parametrize(
    ("status", "fields", "body", "expected"),
    [
        (200, {"Content-Type": "application/json"}, b'{"cell": "eu-1"}', "200 from eu-1"),
        (
            200,
            {"Content-Type": "application/json; charset=utf-8", "Set-Cookie": "home_cell=1.c1.x.y; Path=/"},
            b'{"cell": "eu-1"}',
            "200 from eu-1, sets home_cell",
        ),
        (
            200,
            {"Content-Type": "application/json", "Set-Cookie": "other=1"},
            b'{"cell": "eu-1"}',
            "200 from eu-1",
        ),
        (
            503,
            {
                "Content-Type": "application/problem+json",
                "X-Home-Cell-Degraded": "cell-down",
                "Retry-After": "30",
            },
            b'{"type": "https://homecell.example/problems/cell-down", "cell": "eu-1"}',
            "503 cell-down, degraded: cell-down",
        ),
        (
            503,
            {"Content-Type": "application/problem+json"},
            b'{"type": "https://homecell.example/problems/moving"}',
            "503 moving, without Retry-After",
        ),
        (401, {"Content-Type": "application/problem+json"}, b"[]", "401 a broken problem body"),
        (502, {"Content-Type": "text/plain"}, b"oops", "502"),
        (200, {"Content-Type": "application/json"}, b"not json", "200"),
    ],
)
def test_a_reply_is_told_in_a_few_words(
    status: int, fields: dict[str, str], body: bytes, expected: str
) -> None:
    assert summary(status, fields, body, "home_cell") == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [(b'{"record": {"locker": "a1b2c3"}}', "a1b2c3"), (b'{"record": {}}', ""), (b"[]", ""), (b"{", "")],
)
def test_the_locker_code_is_found_where_a_reply_shows_one(body: bytes, expected: str) -> None:
    assert locker(body) == expected
