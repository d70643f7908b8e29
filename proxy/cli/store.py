"""The store of a config for one command: opened, asked, closed. Out of reach, it ends the command."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from lookup.key_mark import insist_on_spelling
from lookup.keys import InvalidKeyError
from lookup.ports import StoreForbiddenError, StoreUnavailableError, StoreUnusableError
from proxy.cli.answers import UNREACHABLE, CommandError, UnreachableError, UsageMistakeError
from proxy.cli.signals import sigterm_as_ctrl_c

if TYPE_CHECKING:
    from lookup.database import Database
    from lookup.ports import FeedingStore
    from proxy.config import Settings

T = TypeVar("T")


class StoppedError(CommandError):
    """Nobody knows what the store has made of it: as when it does not answer."""

    exit_code = UNREACHABLE


def as_stored(settings: Settings, key: str) -> str:
    """The key as the config's store spells it; ends the command when it is a hash and the store has none."""
    from proxy.wiring import key_spelling

    try:
        return key_spelling(settings).admit(key)
    except InvalidKeyError as error:
        raise UsageMistakeError(str(error), "e.g. user:42") from error
    except StoreUnavailableError as error:
        raise unreachable(error) from error


def with_store(settings: Settings, work: Callable[[FeedingStore], Awaitable[T]]) -> T:
    """What `work` makes of the store, of whatever kind it is."""
    from proxy.tiers import open_tiers
    from proxy.wiring import key_spelling

    async def run() -> T:
        tiers = open_tiers(settings)
        try:
            await insist_on_spelling(tiers.store, key_spelling(settings), time.time())
            return await work(tiers.store)
        finally:
            await tiers.close()

    return reaching(run())


def with_database(settings: Settings, work: Callable[[Database], Awaitable[T]]) -> T:
    """What `work` makes of the database; a lookup service is none, which ends the command."""
    from proxy.tiers import open_tiers
    from proxy.wiring import key_spelling

    insist_on_database(settings)

    async def run() -> T:
        tiers = open_tiers(settings)
        try:
            assert tiers.database is not None, "the config names one"
            await insist_on_spelling(tiers.database, key_spelling(settings), time.time())
            return await work(tiers.database)
        finally:
            await tiers.close()

    return reaching(run())


def insist_on_database(settings: Settings) -> None:
    """End the command if the config's store is a lookup service."""
    if settings.store.kind == "remote":
        raise UsageMistakeError(
            "This needs the database, not a lookup service.", "run it where the database is"
        )


def reaching(work: Coroutine[Any, Any, T]) -> T:
    """What `work` returns; ends the command when what it needs is out of reach, or by Ctrl-C or SIGTERM."""
    try:
        with sigterm_as_ctrl_c():
            return asyncio.run(work)
    except StoreUnavailableError as error:
        raise unreachable(error) from error
    except KeyboardInterrupt:
        mend = "what the store was asked to write may be written: the same command again tells, or goes on"
        raise StoppedError("stopped before the store had answered", mend) from None


def unreachable(error: StoreUnavailableError) -> CommandError:
    """The error as it ends a command, with its mend."""
    what, _, mend = str(error).partition("; ")
    if not mend and not isinstance(error, StoreUnusableError):
        mend = "try again; homecell store status tells what can be reached"
    if isinstance(error, StoreForbiddenError):  # it answered: the token of the config is the wrong one
        return UsageMistakeError(what, mend)
    return UnreachableError(what, mend)
