"""The file of a JWK Set: what happens when it changes, breaks or goes away."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from proxy.rooms.jwks import MAX_SET_BYTES, TokenKeys
from tests.proxy.rooms.forge import verification_key
from tests.proxy.rooms.key_sets import entry, key_set


class File:
    """A JWK Set file whose time of change is set by the test, so that no test waits for a clock."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.keys = TokenKeys((verification_key("fixed", "HS256"),), path)
        self.now_s = 0.0

    def put(self, content: bytes) -> None:
        self.path.write_bytes(content)

    def reload(self, later_s: float = 3600.0) -> bool:
        """Looks at the file `later_s` after it was changed."""
        changed_s = self.path.stat().st_ctime if self.path.exists() else 0.0
        return self.keys.reload(changed_s + later_s)

    def ids(self) -> set[str]:
        return {name for name in ("fixed", "a", "b") if self.keys.ring.named(name)}


@pytest.fixture
def file(tmp_path: Path) -> File:
    return File(tmp_path / "jwks.json")


def test_keys_of_the_file_join_the_fixed_ones(file: File) -> None:
    file.put(key_set("a"))
    assert file.reload()
    assert file.ids() == {"fixed", "a"}
    assert file.keys.mistakes == ()


def test_an_unchanged_file_changes_nothing(file: File) -> None:
    file.put(key_set("a"))
    file.reload()
    ring = file.keys.ring
    assert not file.reload()
    assert file.keys.ring is ring


def test_a_changed_file_is_taken_up_and_a_removed_entry_is_withdrawn(file: File) -> None:
    file.put(key_set("a"))
    file.reload()
    file.put(key_set("b"))
    assert file.reload()
    assert file.ids() == {"fixed", "b"}


def test_a_file_put_in_place_of_another_is_taken_up(file: File, tmp_path: Path) -> None:
    file.put(key_set("a"))
    file.reload()
    before = file.path.stat()
    (tmp_path / "new").write_bytes(key_set("b"))
    os.utime(tmp_path / "new", ns=(before.st_atime_ns, before.st_mtime_ns))
    (tmp_path / "new").replace(file.path)
    assert file.reload()
    assert file.ids() == {"fixed", "b"}


def test_a_young_file_is_read_again_even_if_it_looks_unchanged(
    file: File, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.put(key_set("a"))
    frozen = file.path.stat()
    file.reload(later_s=0.5)
    file.put(key_set("b"))
    monkeypatch.setattr(Path, "stat", lambda _: frozen)
    assert file.keys.reload(frozen.st_ctime + 1.0)
    assert file.ids() == {"fixed", "b"}


@pytest.mark.parametrize("content", [b"", b"{", key_set("a", "b")[:-5], key_set("b") + b" " * MAX_SET_BYTES])
def test_a_broken_file_keeps_the_old_keys_and_reports_the_mistake_once(file: File, content: bytes) -> None:
    file.put(key_set("a"))
    file.reload()
    file.put(content)
    assert file.reload()
    assert file.ids() == {"fixed", "a"}
    (mistake,) = file.keys.mistakes
    assert str(file.path) in mistake
    assert not file.reload()
    assert file.keys.mistakes == (mistake,)


def test_a_mended_file_takes_the_mistake_back(file: File) -> None:
    file.put(b"{")
    file.reload()
    file.put(key_set("b"))
    assert file.reload()
    assert file.keys.mistakes == ()
    assert file.ids() == {"fixed", "b"}


def test_a_file_that_goes_away_keeps_the_old_keys_and_is_read_when_it_returns(file: File) -> None:
    file.put(key_set("a"))
    file.reload()
    file.path.unlink()
    assert file.reload()
    assert file.ids() == {"fixed", "a"}
    assert "cannot be read" in file.keys.mistakes[0]
    assert not file.reload()
    file.put(key_set("a"))
    assert file.reload()
    assert file.keys.mistakes == ()


def test_a_bad_entry_is_reported_and_the_good_ones_count(file: File) -> None:
    file.put(json.dumps({"keys": [entry("ES256", "a"), entry("RS256", "b", use="enc")]}).encode())
    assert file.reload()
    assert file.ids() == {"fixed", "a"}
    assert "'b'" in file.keys.mistakes[0]


def test_an_entry_cannot_take_the_place_of_a_fixed_key(file: File) -> None:
    file.put(key_set("fixed", "a"))
    file.reload()
    fixed = file.keys.ring.named("fixed")
    assert fixed is not None
    assert fixed.algorithm == "HS256"
    assert "another key's" in file.keys.mistakes[0]


def test_an_empty_file_is_a_mistake_also_of_one_that_was_given_the_keys_of_before(file: File) -> None:
    file.keys = TokenKeys((), file.path, key_set("a"))
    file.put(b"")
    assert file.reload()
    assert file.ids() == {"a"}
    assert "not a JWK Set" in file.keys.mistakes[0]


def standing(keys: TokenKeys) -> tuple[int, int, bool, float]:
    return keys.in_force, keys.refused, keys.unusable, keys.good_at_s


def test_it_tells_how_many_keys_are_in_force_and_when_the_file_was_last_good(file: File) -> None:
    assert standing(file.keys) == (1, 0, False, 0.0)
    file.put(key_set("a"))
    changed_s = file.path.stat().st_ctime
    file.keys.reload(changed_s + 10.0)
    assert standing(file.keys) == (2, 0, False, changed_s + 10.0)
    file.keys.reload(changed_s + 12.0)
    assert standing(file.keys) == (2, 0, False, changed_s + 12.0)


@pytest.mark.parametrize("content", [None, b"", key_set("a", "b")[:-5]])
def test_a_file_that_cannot_be_used_grows_old_until_it_is_mended(file: File, content: bytes | None) -> None:
    file.put(key_set("a"))
    file.keys.reload(10.0)
    if content is None:
        file.path.unlink()
    else:
        file.put(content)
    for now_s in (12.0, 14.0):
        file.keys.reload(now_s)
        assert standing(file.keys) == (2, 0, True, 10.0)
    file.put(key_set("a"))
    file.keys.reload(16.0)
    assert standing(file.keys) == (2, 0, False, 16.0)


def test_entries_that_are_left_out_are_counted_and_keys_withdrawn_are_missed(file: File) -> None:
    file.put(key_set("a", "b"))
    file.keys.reload(10.0)
    assert standing(file.keys) == (3, 0, False, 10.0)
    file.put(json.dumps({"keys": [entry("ES256", "a"), 7, {}]}).encode())
    file.keys.reload(12.0)
    assert standing(file.keys) == (2, 2, False, 12.0)


def test_without_a_file_there_is_nothing_to_reload() -> None:
    keys = TokenKeys((verification_key("fixed", "HS256"),), None)
    assert not keys.reload(0.0)
    assert keys.ring.named("fixed")
