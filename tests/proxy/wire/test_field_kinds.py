"""What is remembered of field names: bounded, right whatever was seen before, and not closed to newcomers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from proxy.wire import fields as f
from proxy.wire.fields import FieldKinds

SPECIAL = {b"host": f.HOST, b"content-length": f.CONTENT_LENGTH}


def test_made_up_names_take_bounded_room_and_do_not_keep_later_ones_out() -> None:
    kinds = FieldKinds(SPECIAL)
    for number in range(20_000):
        assert kinds[b"x-made-up-%d" % number] == f.PLAIN
        assert len(kinds) <= 4096
    assert kinds[b"Content-Length"] == f.CONTENT_LENGTH
    assert b"Content-Length" in kinds


def test_a_name_of_kilobytes_is_judged_and_not_kept() -> None:
    kinds = FieldKinds(SPECIAL)
    assert kinds[b"x" * 65] == f.PLAIN
    assert len(kinds) == len(SPECIAL)


@given(
    st.lists(
        st.sampled_from([b"Host", b"HOST", b"host", b"hOsT", b"X-A", b"x-home-cell-epoch", b"content_length"])
    )
)
def test_what_was_seen_before_changes_no_answer(names: list[bytes]) -> None:
    kinds = FieldKinds(SPECIAL)
    for name in names:
        again = kinds[name]
        assert again == kinds[name] == FieldKinds(SPECIAL)[name]
