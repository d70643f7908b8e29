"""Looks at the file of token keys and says what it finds: to the log when that changes, else to counters."""

from __future__ import annotations

import logging

from proxy.observe.meters import Meters
from proxy.rooms.identify import Identify
from proxy.rooms.jwks import TokenKeys

_log = logging.getLogger("homecell")


def look_at_keys(identify: Identify, meters: Meters, now_s: float, *, tell_all_well: bool = True) -> None:
    """Take up what is new in the JWK Set file; `now_s` is Unix seconds. Blocks for one stat, seldom one read.

    tell_all_well  log also that nothing is wrong; a worker that starts need not
    """
    changed = identify.reload(now_s)
    keys = identify.token_keys
    meters.token_keys(keys.in_force, keys.refused, keys.unusable, keys.good_at_s)
    if changed:
        _tell(keys, tell_all_well)


def _tell(keys: TokenKeys, tell_all_well: bool) -> None:
    for mistake in keys.mistakes:
        _log.warning("token keys: %s", mistake)
    if tell_all_well and not keys.mistakes:
        _log.info("token keys: the keys of the JWK Set file are in force")
