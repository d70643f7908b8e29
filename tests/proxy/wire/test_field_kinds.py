"""What is remembered of field names: bounded, right whatever was seen before, and not closed to newcomers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.wire import fields as f
from proxy.wire.fields import FIELD, kind_of, without_lines
from proxy.wire.reply_plan import ReplyPlans
from proxy.wire.request_plan import RequestPlan, RequestPlans

SPECIAL = {b"host": f.HOST, b"content-length": f.CONTENT_LENGTH}
NAMES = [b"Host", b"HOST", b"hOsT", b"X-A", b"x-home-cell-epoch", b"content_length", b"Content-Length"]
NAMES += [b"Connection", b"X-Request-Id", b"traceparent", b"Transfer-Encoding", b"Authorization", b"Expect"]


def beginnings(*names: bytes) -> tuple[bytes, ...]:
    return tuple(b"\r\n" + name + b":" for name in names)


def told(plan: RequestPlan) -> tuple[object, ...]:
    return plan.host, plan.authorization, plan.request_id, plan.others, plan.refusal


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        (b"host", f.HOST),
        (b"content-length", f.CONTENT_LENGTH),
        (b"content_length", f.DROP),
        (b"x-home-cell-epoch", f.DROP),
        (b"x_home_cell_epoch", f.DROP),
        (b"x-home", f.PLAIN),
    ],
)
def test_only_special_names_mean_something(name: bytes, kind: int) -> None:
    assert kind_of(name, SPECIAL) == kind


def test_made_up_sequences_of_names_take_bounded_room_and_do_not_keep_later_ones_out() -> None:
    requests, replies = RequestPlans(), ReplyPlans()
    for number in range(3 * f.LEARNED_PLANS):
        assert requests[beginnings(b"Host", b"x-made-up-%d" % number)].host == 2
        assert replies[beginnings(b"Content-Length", b"x-made-up-%d" % number)].length == 2
        assert len(requests) <= f.LEARNED_PLANS >= len(replies)
    usual = beginnings(b"Host", b"Accept")
    assert requests[usual] is requests[usual]
    assert replies[usual] is replies[usual]


def test_kilobytes_of_names_are_judged_and_not_kept() -> None:
    names = beginnings(b"Host", b"x" * f.LEARNED_BYTES)
    requests, replies = RequestPlans(), ReplyPlans()
    assert requests[names].host == 2
    assert replies[names].length == 0
    assert not requests
    assert not replies


@given(st.lists(st.lists(st.sampled_from(NAMES))))
def test_what_was_seen_before_changes_no_answer(sequences: list[list[bytes]]) -> None:
    plans = RequestPlans()
    for names in sequences:
        planned = told(plans[beginnings(*names)])
        assert planned == told(plans[beginnings(*names)]) == told(RequestPlan(beginnings(*names)))


@given(st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from([b"", b" 1", b"a:b "]))), st.data())
def test_lines_are_left_out_by_their_places(lines: list[tuple[bytes, bytes]], data: st.DataObject) -> None:
    gone = data.draw(st.lists(st.sampled_from(range(len(lines))))) if lines else []
    parts = FIELD.split(b"".join(b"\r\n%b:%b" % line for line in lines))
    kept = [b"%b:%b" % line for number, line in enumerate(lines) if number not in gone]
    assert without_lines(parts, [2 * number + 2 for number in gone]) == b"\r\n".join([b"", *kept, b""])
