"""A command's JSON has moments as seconds for programs, and as dates for people."""

from __future__ import annotations

import pytest

from proxy.cli.dates import dated


def test_beside_a_moment_in_seconds_stands_its_date() -> None:
    assert dated({"key": "user:1", "updated_at_s": 1_700_000_000.5, "epoch": 1}) == {
        "key": "user:1",
        "updated_at_s": 1_700_000_000.5,
        "updated_at": "2023-11-14T22:13:20Z",
        "epoch": 1,
    }


def test_moments_are_found_wherever_they_are() -> None:
    assert dated([{"move": {"since_s": 60, "held_until_s": 61.0}}]) == [
        {
            "move": {
                "since_s": 60,
                "since": "1970-01-01T00:01:00Z",
                "held_until_s": 61.0,
                "held_until": "1970-01-01T00:01:01Z",
            }
        }
    ]


@pytest.mark.parametrize("never", [None, 0.0, 1e30, float("nan"), "?"])
def test_what_is_no_moment_has_no_date(never: object) -> None:
    told = dated({"expires_at_s": never})
    assert isinstance(told, dict)
    assert (told["expires_at"], list(told)) == (None, ["expires_at_s", "expires_at"])


def test_durations_are_left_as_they_are() -> None:
    assert dated({"took_s": 1.5, "lag_s": 0.0}) == {"took_s": 1.5, "lag_s": 0.0}
