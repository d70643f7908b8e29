"""How a client connection ends, so that its last reply is seen whole or not taken for whole; slow readers."""

from __future__ import annotations

from typing import Final

from proxy.forward.edge import Edge
from proxy.forward.outbox import Outlet
from proxy.forward.reading import CONGESTED, GONE, LINGER, LOOKAHEAD, PENDING, TURN, Reading
from proxy.forward.untaken import LOOKS, Untaken
from proxy.kernel.reset import reset

_LINGER_S: Final = 2.0


class Closing(Reading):
    """A client connection's output and end.

    ended   the client sends no more
    outlet  takes what goes to the client
    """

    __slots__ = ("_untaken", "ended", "outlet")

    def __init__(self, edge: Edge) -> None:
        super().__init__(edge)
        self.outlet = Outlet(edge.outbox)
        self.ended = False
        self._untaken: Untaken | None = None  # while a reader is watched

    def close(self) -> None:
        """End the connection after what was written; input that still comes is read and dropped.

        Closing with unread input would reset the connection, and the client might never see the reply.
        """
        transport = self.transport
        if transport is None or self.phase >= LINGER:
            return
        self.phase = LINGER
        self.forget()
        if self.holds:
            self.release(CONGESTED | PENDING | LOOKAHEAD | TURN)
        self.outlet.flush()
        if self.ended:
            transport.close()
        else:
            transport.write_eof()
        self.edge.wheel.set_deadline(self, _LINGER_S)

    def linger_on(self) -> None:
        """The client had its time: close, unless it is still reading; reset if it has stopped to.

        Once all was handed to the kernel, closing loses nothing: a slow client gets the rest all the same.
        """
        transport = self.transport
        if transport is not None and transport.get_write_buffer_size() == 0:
            transport.close()
        elif self.reader_is_stuck():
            self.abort()

    def abort(self) -> None:
        """Reset the connection, so that what was sent can't be taken for a whole reply."""
        transport = self.transport
        if transport is None or self.phase == GONE:
            return
        self.phase = GONE
        self.outlet.drop()
        reset(transport)

    # A client that reads slowly.

    def watch_reader(self) -> None:
        """The client takes no more for now; `on_deadline` will tell when to ask whether it is stuck."""
        self._untaken = Untaken()
        self._look_at_reader_later()

    def reader_is_stuck(self) -> bool:
        """Whether the client took nothing for as long as `body_s`; if not, it is looked at again later."""
        transport = self.transport
        if transport is None:
            return True
        if self._untaken is None:
            self._untaken = Untaken()
        if self._untaken.is_stuck(transport):
            return True
        self._look_at_reader_later()
        return False

    def _look_at_reader_later(self) -> None:
        self.edge.wheel.set_deadline(self, self.edge.timeouts.body_s / LOOKS)
