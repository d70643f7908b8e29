"""Moves users through the lookup service: the part of the client for that."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from lookup.mover import MoveRefusedError
from lookup.service.forms import Json
from lookup.service.link import ServiceLink, slug
from lookup.service.move_forms import MoveStatus, OpenMoves, open_moves_of, status_of

_REFUSALS: Final = ("move-refused", "unknown-home", "unknown-move")


class MoveClient:
    """What `LookupClient.moves` is. It needs a token that may write, and a service that is set up to move.

    Every method raises what those of LookupClient do; MoveRefusedError where that is named.
    """

    def __init__(self, link: ServiceLink) -> None:
        self._link = link

    async def begin(
        self, operation: str, key: str, target: str, *, author: str = "", reason: str = ""
    ) -> MoveStatus:
        """Begin to move the key's user to the target cell, and return at once; the service goes on.

        operation  1 to 128 characters of your own, without a slash: asked for again with the same ones, it is
                   the same move, which is carried on if it stands still. Ask again after an error.

        Raises MoveRefusedError: no home, there already, no such cell, not permitted there, not serving, being
        moved by another operation; or the operation is the move of another key, or to another cell.
        """
        form: Json = {
            "operation": operation,
            "key": key,
            "target": target,
            "author": author,
            "reason": reason,
        }
        return await self._ask("/v1/moves", form)

    async def get(self, operation: str) -> MoveStatus | None:
        """How far the move is, None when there is none of that operation id."""
        status, answer = await self._link.exchange("GET", _path(operation))
        if status == 404 and slug(answer) == "unknown-move":
            return None
        return self._link.read(status, answer, status_of)

    async def unfinished(self, after: str = "") -> OpenMoves:
        """At most 1,000 moves that are not over, the latest first.

        after  the operation of the last one of them, to be told those that follow. MoveRefusedError: there is
               none of that id
        """
        path = f"/v1/moves?after={quote(after, safe='')}" if after else "/v1/moves"
        status, answer = await self._link.exchange("GET", path)
        if slug(answer) == "unknown-move":
            raise MoveRefusedError(f"there is no move with the operation id {after}")
        return self._link.read(status, answer, open_moves_of)

    async def resume(self, operation: str) -> MoveStatus:
        """Have the service carry the move on; a driver that crashed is waited for, up to 15 s.

        Raises MoveRefusedError: there is no such move, or it is copied otherwise than the service does it.
        """
        return await self._ask(f"{_path(operation)}:resume", None)

    async def abort(self, operation: str, reason: str) -> MoveStatus:
        """Give the move up, whoever drives it: the user stays in the old cell. Takes up to 10 s.

        Raises MoveRefusedError: there is no such move, it is over, or so far that it can only be resumed.
        """
        return await self._ask(f"{_path(operation)}:abort", {"reason": reason})

    async def _ask(self, path: str, form: Json) -> MoveStatus:
        status, answer = await self._link.exchange("POST", path, form)
        if isinstance(answer, dict) and slug(answer) in _REFUSALS:
            raise MoveRefusedError(str(answer.get("detail", "")))
        return self._link.read(status, answer, status_of)


def _path(operation: str) -> str:
    return f"/v1/moves/{quote(operation, safe='')}"
