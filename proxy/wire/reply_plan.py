"""What the names of a reply's fields mean, whatever their values: judged once for each sequence of names."""

from __future__ import annotations

from typing import Final

from proxy.wire import fields as f
from proxy.wire.fields import kind_of, lower_name

_KINDS: Final = {
    b"content-length": f.CONTENT_LENGTH,
    b"transfer-encoding": f.TRANSFER_ENCODING,
    b"connection": f.CONNECTION,
    b"x-request-id": f.DROP,
    b"keep-alive": f.DROP,
    b"proxy-connection": f.DROP,
    b"proxy-authenticate": f.DROP,
    b"upgrade": f.DROP,
    b"te": f.DROP,
}


class ReplyPlan:
    """Where to look for what in the parts that `FIELD` makes of a reply's field lines.

    length, coding  place of the value of Content-Length and Transfer-Encoding; 0, where nothing is, if there
                    is no such field
    connections     places of the values of Connection
    dated           whether there is a Date
    gone            places of the values of all lines that never pass
    framed_twice    both or one of them twice
    """

    __slots__ = ("coding", "connections", "dated", "framed_twice", "gone", "length")

    def __init__(self, names: tuple[bytes, ...]) -> None:
        self.length = 0
        self.coding = 0
        self.framed_twice = False
        self.dated = b"date" in map(lower_name, names)
        self.connections: list[int] = []
        self.gone: list[int] = []
        for number, beginning in enumerate(names):
            kind = kind_of(lower_name(beginning), _KINDS)
            place = 2 * number + 2
            if kind == f.CONTENT_LENGTH or kind == f.TRANSFER_ENCODING:
                self.framed_twice = self.framed_twice or self.length != 0 or self.coding != 0
            if kind == f.CONTENT_LENGTH:
                self.length = place
            elif kind != f.PLAIN:
                self.gone.append(place)
                if kind == f.CONNECTION:
                    self.connections.append(place)
                elif kind == f.TRANSFER_ENCODING:
                    self.coding = place


class ReplyPlans(dict[tuple[bytes, ...], ReplyPlan]):
    """The plan for the beginnings of a reply's field lines; remembered, up to a bound."""

    def __missing__(self, names: tuple[bytes, ...]) -> ReplyPlan:
        plan = ReplyPlan(names)
        if sum(map(len, names)) <= f.LEARNED_BYTES:
            if len(self) >= f.LEARNED_PLANS:  # begin anew: made-up names must not keep the usual ones out
                self.clear()
            self[names] = plan
        return plan
