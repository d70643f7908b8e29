"""homecell lookup: runs the lookup service until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from proxy.cli.answers import (
    HELP_SETTINGS,
    CommandError,
    UsageMistakeError,
    config_option,
    load_config,
    show_warnings,
)

_log = logging.getLogger("homecell")

if TYPE_CHECKING:
    from lookup.announcement import Announcement
    from lookup.placer import PlacementPlan
    from lookup.service.door import DoorLimits
    from lookup.service.moves import Moving
    from lookup.service.tokens import Tokens
    from proxy.config import Settings
    from proxy.model import Endpoint
    from proxy.tiers import Tiers


@click.command("lookup", context_settings=HELP_SETTINGS)
@config_option
def command(config_file: Path | None) -> None:
    """Run the lookup service.

    It answers over HTTP where users are at home, tells changes as they happen,
    places users and moves them: for edges that have no database of their own, and
    for other programs. The config's `lookup_service` says where it listens, who
    may ask, and by which webhooks users are moved; GET /openapi.json says what can
    be asked. It runs in the foreground until SIGTERM or Ctrl-C: moves under way
    then stand still until a service runs again, or `homecell moves resume`.

    \b
    Examples:
      homecell lookup --config edge.yaml
      curl -H "Authorization: Bearer $TOKEN" http://127.0.0.1:8090/v1/keys/user:42
      curl -H "Authorization: Bearer $TOKEN" http://127.0.0.1:8090/v1/moves

    \b
    Exit codes:
      0  stopped as it was told
      1  it could not start: the port is taken, say
      2  a mistake in the config or in the file of tokens
      3  the store can't be reached
    """
    loaded = load_config(config_file)
    show_warnings(loaded.warnings)
    settings = loaded.settings
    if settings.lookup_service is None:
        raise UsageMistakeError(
            "The config has no section `lookup_service`.",
            "add `lookup_service: {listen: 127.0.0.1:8090, tokens_file: lookup.tokens}`",
        )
    if settings.store.kind == "remote":
        raise UsageMistakeError(
            "The config's store is a lookup service itself.", "run this where the database is"
        )
    import uvloop

    from lookup.collector import short_passes
    from lookup.ports import StoreUnavailableError
    from lookup.service.tokens import TokensFileError, load_tokens
    from lookup.strict_parser import MEND, LenientParserError, insist_on_c_parser
    from proxy.cli.store import unreachable
    from proxy.kernel.port_holder import cannot_listen

    service = settings.lookup_service
    try:
        insist_on_c_parser()
        tokens = load_tokens(service.tokens_file)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner, short_passes(time.monotonic):
            runner.run(_serve(settings, service.listen, tokens))
    except TokensFileError as error:
        raise UsageMistakeError(str(error), "") from error
    except LenientParserError as error:
        raise CommandError(str(error), MEND) from error
    except StoreUnavailableError as error:
        raise unreachable(error) from error
    except OSError as error:
        listen = service.listen
        wrong = cannot_listen("lookup_service.listen", listen.host, listen.port, error)
        raise CommandError(wrong, "") from error


def _announcement(settings: Settings, tiers: Tiers) -> Announcement | None:
    from proxy.wiring import announcement

    holder = f"lookup/{socket.gethostname()}/{os.getpid()}-{secrets.token_hex(4)}"
    return None if tiers.database is None else announcement(settings, holder, tiers.database)


def _moving(settings: Settings, tiers: Tiers) -> Moving | None:
    from lookup.hooks import ConfiguredHooks
    from lookup.service.moves import Moving
    from proxy.cli.listing import what_is_amiss
    from proxy.cli.moving import Waits, holder, patience_of
    from proxy.config.values import NO_WEBHOOK

    service = settings.lookup_service
    if service is None or service.moves is None or tiers.database is None:
        return None
    moves = service.moves
    copy = "" if moves.copy_webhook == NO_WEBHOOK else moves.copy_webhook
    hooks = ConfiguredHooks(copy, moves.verify_webhook or "", moves.hook_timeout_s)
    patience = patience_of(settings, Waits(int(moves.hook_timeout_s)))
    amiss = partial(what_is_amiss, settings)
    return Moving(tiers.database, hooks, patience, moves.at_once, holder(), amiss)


def _limits() -> DoorLimits:
    """For as many clients as leave files for the store."""
    from lookup.service.door import USUAL_LIMITS
    from proxy.kernel.open_files import raise_limit, room_for_clients

    return replace(USUAL_LIMITS, connections=min(USUAL_LIMITS.connections, room_for_clients(raise_limit())))


def _reloader(settings: Settings, plan: PlacementPlan) -> Callable[[], None]:
    """What has the plan say what the config's files say by then."""
    from proxy.config import ReloadRefusedError, load_changed
    from proxy.wiring import placement_plan

    running = settings

    def reload() -> None:
        nonlocal running
        try:
            changed = load_changed(running)
        except ReloadRefusedError as error:
            _log.error("the config is not taken, all stays as it is: %s", error)
            return
        if changed is not None:
            running = changed.settings
            plan.become(placement_plan(running))
            _log.info("the config is taken: users are placed by it from now on")

    return reload


async def _serve(settings: Settings, listen: Endpoint, tokens: Tokens) -> None:
    from lookup.key_mark import insist_on_spelling
    from lookup.service.run import running
    from proxy.tiers import open_tiers
    from proxy.wiring import key_spelling, lookup_settings, placement_plan

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    plan = placement_plan(settings)
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, _reloader(settings, plan))
    tiers = open_tiers(settings)
    try:
        spelling = key_spelling(settings)
        await insist_on_spelling(tiers.store, spelling, time.time())
        await tiers.store.flags()  # a store that can't be used is told of now, not by each answer
        service = running(
            tiers.store,
            tokens,
            lookup_settings(settings),
            listen.host,
            listen.port,
            plan=plan,
            shared=tiers.shared,
            relay=tiers.relay,
            spelling=spelling,
            moving=_moving(settings, tiers),
            announcement=_announcement(settings, tiers),
            limits=_limits(),
        )
        async with service as port:
            _log.info("the lookup service listens on http://%s:%d", listen.host, port)
            await stopped.wait()
            _log.info("told to stop: what is under way has a second to end")
    finally:
        await tiers.close()
    _log.info("stopped")
