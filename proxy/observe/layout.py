"""Where each counter of a worker lives in its row of shared memory; no values, no sockets.

A counter is one 64-bit integer. A row is a fixed part (per worker), then one block for each cell
in order of `Cell.index`, then one block for the requests that never got a cell. Supervisor and workers
compute the same places from the same sources, so nothing of it travels between them.
"""

from __future__ import annotations

from typing import Final

from lookup.flags import Flag
from lookup.observer import FAILURES
from lookup.resolution import OUTCOME_LABELS, TIER_LABELS
from proxy import errors
from proxy.model import NOT_MINE_LABELS

UNKNOWN_FLAG: Final = "unknown"
FLAGS: Final = (*(flag.value for flag in Flag), UNKNOWN_FLAG)
SLUGS: Final = (
    *(value.slug for value in vars(errors).values() if isinstance(value, errors.Problem)),
    "other",
)

# Statuses counted one by one; any other is counted by its class, so that the label's values stay few.
# fmt: off
EXACT_STATUSES: Final[tuple[int, ...]] = (
    101, 200, 201, 202, 204, 206, 301, 302, 303, 304, 307, 308,
    400, 401, 403, 404, 405, 408, 409, 410, 412, 413, 414, 415, 416, 417, 421, 422, 425, 426, 429, 431, 451,
    499, 500, 501, 502, 503, 504, 505,
)
# fmt: on
CODES: Final = (*(str(status) for status in EXACT_STATUSES), "1xx", "2xx", "3xx", "4xx", "5xx", "other")

# Upper bounds; a last bucket without a bound follows.
# fmt: off
REQUEST_BOUNDS_S: Final[tuple[float, ...]] = (
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
)
LOOKUP_BOUNDS_S: Final[tuple[float, ...]] = (
    2e-6, 1e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.25,
)
# fmt: on

# Fixed part.
CONNECTIONS: Final = 0  # gauge
FEED_SEEN_MS: Final = 1  # Unix milliseconds of the last sign of life of the change feed; 0: none yet
LOG_DROPPED: Final = 2
REFUSALS: Final = 3
LOOKUPS: Final = REFUSALS + len(SLUGS)  # by tier, then result
LOOKUP_BUCKETS: Final = LOOKUPS + len(TIER_LABELS) * len(OUTCOME_LABELS)  # by tier, then bucket
LOOKUP_BUCKET_COUNT: Final = len(LOOKUP_BOUNDS_S) + 1
LOOKUP_NS: Final = LOOKUP_BUCKETS + len(TIER_LABELS) * LOOKUP_BUCKET_COUNT  # by tier
HEDGES: Final = LOOKUP_NS + len(TIER_LABELS)  # by tier
COMPARED: Final = HEDGES + len(TIER_LABELS)  # by tier
MISROUTES: Final = COMPARED + len(TIER_LABELS)  # by tier
TIER_FAILURES: Final = MISROUTES + len(TIER_LABELS)  # by tier, then kind
CIRCUITS_OPEN: Final = TIER_FAILURES + len(TIER_LABELS) * len(FAILURES)  # gauge, by tier
CIRCUIT_OPENINGS: Final = CIRCUITS_OPEN + len(TIER_LABELS)  # by tier
RELAY_LOOKS: Final = CIRCUIT_OPENINGS + len(TIER_LABELS)  # gauge: 1 while this worker is the relay
RELAY_PENDING: Final = RELAY_LOOKS + 1  # gauge
RELAY_LAG_MS: Final = RELAY_LOOKS + 2  # gauge
RELAY_ENDANGERED: Final = RELAY_LOOKS + 3  # gauge: 1 when the feed may be evicted where it is kept
ALL_USERS: Final = RELAY_LOOKS + 4  # gauge: 0 not counted by this worker, else 1 + users of all cells
TOKEN_KEYS: Final = RELAY_LOOKS + 5  # gauge: 0 not known yet, else 1 + keys that verify tokens
KEYS_REFUSED: Final = TOKEN_KEYS + 1  # gauge: entries of the JWK Set file that are left out
KEYS_UNUSABLE: Final = TOKEN_KEYS + 2  # gauge: 1 while that file can't be read or used
KEYS_GOOD_MS: Final = TOKEN_KEYS + 3  # Unix milliseconds at which it was last good; 0: never
FIXED_WIDTH: Final = TOKEN_KEYS + 4

# Block of one cell, relative to the block's start.
IN_FLIGHT: Final = 0  # gauge
FLAG: Final = 1  # gauge: 0 not known yet, else 1 + index in FLAGS
RETRIES: Final = 2
ATTEMPT_FAILURES: Final = 3
REQUEST_NS: Final = 4
REQUEST_BUCKETS: Final = 5
REQUEST_BUCKET_COUNT: Final = len(REQUEST_BOUNDS_S) + 1
REPLIES: Final = REQUEST_BUCKETS + REQUEST_BUCKET_COUNT  # by code
FALLBACKS: Final = REPLIES + len(CODES)  # by slug
NOT_MINE: Final = FALLBACKS + len(SLUGS)  # by result
USERS: Final = NOT_MINE + len(NOT_MINE_LABELS)  # gauge
CAPACITY: Final = USERS + 1  # gauge: 0 unlimited, else 1 + users
CROWDED: Final = USERS + 2  # gauge
CELL_WIDTH: Final = USERS + 3

# Not counted but levels: what a worker that is gone had here is over.
FIXED_GAUGES: Final = (
    CONNECTIONS,
    FEED_SEEN_MS,
    *range(CIRCUITS_OPEN, CIRCUIT_OPENINGS),
    RELAY_LOOKS,
    RELAY_PENDING,
    RELAY_LAG_MS,
    RELAY_ENDANGERED,
    ALL_USERS,
    *range(TOKEN_KEYS, FIXED_WIDTH),
)
CELL_GAUGES: Final = (IN_FLIGHT, FLAG, USERS, CAPACITY, CROWDED)

BYTES_PER_COUNTER: Final = 8


def row_length(cells: int) -> int:
    """Counters in a row for an inventory of `cells` cells."""
    return FIXED_WIDTH + (cells + 1) * CELL_WIDTH


def cells_in(length: int) -> int:
    """Cells of the inventory that a row of `length` counters was laid out for; ValueError if it is no row."""
    blocks, rest = divmod(length - FIXED_WIDTH, CELL_WIDTH)
    if rest or blocks < 1:
        raise ValueError(f"{length} counters are not a row: expected {FIXED_WIDTH} + n × {CELL_WIDTH}")
    return blocks - 1


def cell_start(index: int) -> int:
    """Where the block of the cell with this `Cell.index` starts; the inventory's length means: no cell."""
    return FIXED_WIDTH + index * CELL_WIDTH


def _reply_place(status: int) -> int:
    if status in EXACT_STATUSES:
        return REPLIES + EXACT_STATUSES.index(status)
    family = status // 100 - 1
    return REPLIES + len(EXACT_STATUSES) + (family if 0 <= family < 5 else 5)


# Place in a cell's block by status 0..599, so that counting a reply is one look-up.
REPLY_PLACES: Final = tuple(_reply_place(status) for status in range(600))
REPLY_OTHER: Final = REPLIES + len(CODES) - 1
_EDGE_STATUSES: Final = (
    499,
    *(value.status for value in vars(errors).values() if isinstance(value, errors.Problem)),
)
# Codes that are surely a cell's own, but for a route's static reply, which is counted as a fallback too.
CELL_REPLIES: Final = tuple(REPLY_PLACES[status] for status in EXACT_STATUSES if status not in _EDGE_STATUSES)
FAILURE_INDEX: Final = {kind: index for index, kind in enumerate(FAILURES)}
SLUG_INDEX: Final = {slug: index for index, slug in enumerate(SLUGS)}
SLUG_OTHER: Final = len(SLUGS) - 1
