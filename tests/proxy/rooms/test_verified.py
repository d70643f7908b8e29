"""The memory of verified credentials: bounded, fair, and emptied when a key goes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from proxy.model import Source
from proxy.rooms.keys import KeyMark
from proxy.rooms.verified import ENTRY_BYTES, Verified, VerifiedCredentials

MARK = KeyMark(b"mark")
ROOM_FOR_THREE = 3 * (ENTRY_BYTES + 1)


def entry(proof: bytes, mark: KeyMark = MARK) -> Verified:
    return Verified("user:42", Source.BEARER, None, 1.0, 2.0, proof, mark)


def filled(*proofs: bytes, capacity_bytes: int = ROOM_FOR_THREE) -> VerifiedCredentials:
    credentials = VerifiedCredentials(capacity_bytes)
    for proof in proofs:
        credentials.keep(entry(proof))
    return credentials


def held(credentials: VerifiedCredentials, *proofs: bytes) -> list[bool]:
    return [credentials.find(proof) is not None for proof in proofs]


def test_what_was_kept_is_found_by_equal_bytes() -> None:
    kept = entry(b"a")
    credentials = VerifiedCredentials(ROOM_FOR_THREE)
    credentials.keep(kept)
    assert credentials.find(bytes(bytearray(b"a"))) is kept
    assert credentials.find(b"b") is None


def test_the_oldest_leaves_when_none_is_in_use() -> None:
    assert held(filled(b"a", b"b", b"c", b"d"), b"a", b"b", b"c", b"d") == [False, True, True, True]


def test_one_in_use_is_spared() -> None:
    credentials = filled(b"a", b"b", b"c")
    credentials.find(b"a")
    credentials.keep(entry(b"d"))
    assert held(credentials, b"a", b"b", b"c", b"d") == [True, False, True, True]


def test_all_leave_in_the_order_in_which_they_came_when_none_is_in_use() -> None:
    credentials = filled(*(b"%d" % number for number in range(9)))
    assert held(credentials, *(b"%d" % number for number in range(9))) == [False] * 6 + [True] * 3


def test_use_long_ago_does_not_spare_for_ever() -> None:
    credentials = filled(b"a", b"b", b"c")
    credentials.find(b"a")
    for proof in (b"d", b"e", b"f", b"g"):
        credentials.keep(entry(proof))
    assert held(credentials, b"a") == [False]


def test_the_steady_users_stay_while_many_others_come_once() -> None:
    steady = [b"%d" % number for number in range(20)]
    credentials = filled(*steady, capacity_bytes=60 * (ENTRY_BYTES + 9))
    kept = 0
    for number in range(2000):
        credentials.keep(entry(b"once-%d" % number))
        kept += credentials.find(steady[number % 20]) is not None
    assert kept == 2000


def test_a_new_one_finds_room_even_when_all_are_in_use() -> None:
    proofs = [b"%03d" % number for number in range(600)]
    credentials = filled(*proofs, capacity_bytes=600 * (ENTRY_BYTES + 3))
    assert all(held(credentials, *proofs))
    credentials.keep(entry(b"new"))
    assert held(credentials, b"new") == [True]
    assert [proof for proof in proofs if credentials.find(proof) is None] == [
        proofs[256]
    ]  # looked no further


def test_a_withdrawn_key_takes_its_credentials_along() -> None:
    credentials = filled(b"a")
    credentials.keep(entry(b"b", KeyMark(b"other")))
    credentials.drop_unless(frozenset({MARK}))
    assert held(credentials, b"a", b"b") == [True, False]
    assert credentials.held_bytes == ENTRY_BYTES + 1


def test_a_credential_larger_than_the_whole_memory_pushes_out_the_rest_and_no_more() -> None:
    credentials = filled(b"a", b"b" * ROOM_FOR_THREE)
    assert len(credentials) == 1
    credentials.keep(entry(b"c"))
    assert held(credentials, b"c") == [True]
    assert len(credentials) == 1


@given(
    st.lists(st.tuples(st.sampled_from("kfd"), st.integers(0, 30), st.integers(1, 2000)), max_size=120),
    st.integers(1, 8),
)
def test_whatever_happens_the_bound_holds_and_the_books_are_right(
    steps: list[tuple[str, int, int]], room: int
) -> None:
    capacity_bytes = room * (ENTRY_BYTES + 2000)
    credentials = VerifiedCredentials(capacity_bytes)
    sizes: dict[bytes, int] = {}
    for step, number, size in steps:
        proof = b"%d." % number
        mark = KeyMark(b"%d" % (number % 2))
        if step == "d":
            credentials.drop_unless(frozenset({KeyMark(b"0")}))
        elif credentials.find(proof.ljust(sizes.get(proof, 0), b"x")) is None and step == "k":
            sizes[proof] = size
            credentials.keep(entry(proof.ljust(size, b"x"), mark))
            assert credentials.find(proof.ljust(size, b"x")) is not None
        present = [
            full for name, length in sizes.items() if credentials.find(full := name.ljust(length, b"x"))
        ]
        assert credentials.held_bytes <= capacity_bytes
        assert credentials.held_bytes == sum(ENTRY_BYTES + len(full) for full in present)
        assert len(credentials) == len(present)
