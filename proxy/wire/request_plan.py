"""What the names of a request's fields mean, whatever their values: judged once for each sequence of names.

Clients send the same names in the same order again and again, and only a few of them mean something here.
"""

from __future__ import annotations

from typing import Final

from proxy.errors import BAD_REQUEST, UNKNOWN_EXPECTATION, Refusal
from proxy.wire import fields as f
from proxy.wire.fields import kind_of, lower_name
from proxy.wire.request_head import KINDS

ONLY_CONTINUE: Final = "the only expectation known is 100-continue"
NOT_JUST_CHUNKED: Final = "Transfer-Encoding is not exactly `chunked`, once"
_AT_THEIR_PLACE: Final = f.HOST | f.AUTHORIZATION | f.REQUEST_ID
_FIRST_COUNTS: Final = f.REQUEST_ID | f.TRACEPARENT
_ONLY_ONCE: Final = (
    (f.HOST, Refusal(BAD_REQUEST, "Host is repeated")),
    (f.AUTHORIZATION, Refusal(BAD_REQUEST, "Authorization is repeated")),
    (f.EXPECT, Refusal(UNKNOWN_EXPECTATION, ONLY_CONTINUE)),
    (f.CONTENT_LENGTH, Refusal(BAD_REQUEST, "Content-Length is repeated")),
    (f.TRANSFER_ENCODING, Refusal(BAD_REQUEST, NOT_JUST_CHUNKED)),
)
_FRAMED_TWICE: Final = Refusal(BAD_REQUEST, "Transfer-Encoding beside Content-Length")


class RequestPlan:
    """Where to look for what in the parts that `FIELD` makes of a request's field lines.

    host, authorization, request_id     place of the value; 0, where nothing is, if there is no such field
    others      kind and place of each other value that means something, in order
    tracestates places of the values that belong to a traceparent and go where that goes
    refusal     what the names alone have earned: some may be there only once, some not together
    """

    __slots__ = ("authorization", "host", "others", "refusal", "request_id", "tracestates")

    def __init__(self, names: tuple[bytes, ...]) -> None:
        places: dict[int, int] = {}
        repeated = 0
        self.others: list[tuple[int, int]] = []
        self.tracestates: list[int] = []
        for number, beginning in enumerate(names):
            kind = kind_of(lower_name(beginning), KINDS)
            if kind in places:
                repeated |= kind
            place = 2 * number + 2
            if places.setdefault(kind, place) != place and kind & _FIRST_COUNTS:
                kind = f.DROP
            if kind != f.PLAIN and not kind & _AT_THEIR_PLACE:
                self.others.append((kind, place))
            if kind == f.TRACESTATE:
                self.tracestates.append(place)
        self.host = places.get(f.HOST, 0)
        self.authorization = places.get(f.AUTHORIZATION, 0)
        self.request_id = places.get(f.REQUEST_ID, 0)
        self.refusal: Refusal | None = None
        if f.CONTENT_LENGTH in places and f.TRANSFER_ENCODING in places:
            self.refusal = _FRAMED_TWICE
        for kind, refusal in reversed(_ONLY_ONCE):
            if repeated & kind:
                self.refusal = refusal


class RequestPlans(dict[tuple[bytes, ...], RequestPlan]):
    """The plan for the beginnings of a request's field lines; remembered, up to a bound."""

    def __missing__(self, names: tuple[bytes, ...]) -> RequestPlan:
        plan = RequestPlan(names)
        if sum(map(len, names)) <= f.LEARNED_BYTES:
            if len(self) >= f.LEARNED_PLANS:  # begin anew: made-up names must not keep the usual ones out
                self.clear()
            self[names] = plan
        return plan
