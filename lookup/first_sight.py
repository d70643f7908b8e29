"""Gives a home to users who have none as they are looked up: for edges that may place users."""

from __future__ import annotations

import asyncio
import logging
from time import monotonic
from typing import Final

from lookup.flight import Flight, FlightDeck
from lookup.keys import Kind
from lookup.placement import NoRoom
from lookup.placer import Placer
from lookup.ports import StoreUnavailableError
from lookup.resolution import Tier
from lookup.tasks import end_tasks

_log: Final = logging.getLogger(__name__)
_USERS: Final = f"{Kind.USER}:"

_AT_ONCE: Final = 16
_MOST: Final = 1000
"""Being placed or waiting for it; who comes then is told to try again."""

_GIVE_UP_S: Final = 10.0
_SAY_EVERY_S: Final = 10.0


class FirstSight:
    """Takes over flights that the store has no home for: each user is placed in a task of its own, so that
    nobody who has a home waits for that. Built inside the running loop; only its thread uses it.
    """

    def __init__(self, placer: Placer, jurisdiction: str, most: int = _MOST) -> None:
        self._placer = placer
        self._jurisdiction = jurisdiction
        self._most = most
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._waiting: dict[str, list[tuple[Flight, FlightDeck]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._said_s = -_SAY_EVERY_S

    def may_place(self, key: str) -> bool:
        """Whether such a key gets a home. Only keys of verified credentials may come here."""
        return key.startswith(_USERS)

    def admit(self, flight: Flight, deck: FlightDeck) -> None:
        """Tell the deck the user's new home, as the store's answer; none where no cell has room."""
        waiting = self._waiting.get(flight.key)
        if waiting is not None:
            waiting.append((flight, deck))
        elif len(self._waiting) >= self._most:
            self._say(f"{self._most} new users wait for a home already; others are told to try again")
            deck.unanswered(flight, Tier.STORE)
        else:
            self._waiting[flight.key] = [(flight, deck)]
            task = asyncio.get_running_loop().create_task(self._place(flight.key))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """End the placements under way."""
        await end_tasks(self._tasks)
        await self._placer.counts.close()

    async def _place(self, key: str) -> None:
        try:
            async with self._places:
                if all(flight.landed for flight, _ in self._waiting[key]):
                    return  # it took too long until its turn; the user comes again
                async with asyncio.timeout(_GIVE_UP_S):
                    found = await self._placer.place(key, self._jurisdiction)
        except (
            StoreUnavailableError,
            TimeoutError,
            ValueError,
        ) as failure:  # a remote store's refusal, the last
            self._say(f"a new user could not be given a home: {failure or 'no answer in time'}")
            self._pass_on(key)
        except Exception:
            _log.exception("a new user could not be given a home")
            self._pass_on(key)
        else:
            if isinstance(found, NoRoom):
                self._say(f"a new user gets no home: {found}")
            for flight, deck in self._waiting.pop(key):
                deck.answered(flight, None if isinstance(found, NoRoom) else found, Tier.STORE)
        finally:
            self._waiting.pop(key, None)

    def _pass_on(self, key: str) -> None:
        for flight, deck in self._waiting.pop(key):
            deck.unanswered(flight, Tier.STORE)

    def _say(self, text: str) -> None:
        """Not for each of many users."""
        now_s = monotonic()
        if now_s >= self._said_s + _SAY_EVERY_S:
            self._said_s = now_s
            _log.warning("%s", text)
