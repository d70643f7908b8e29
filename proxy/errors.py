"""The taxonomy of refusals: whose fault each is, whether waiting helps, its status and metric label."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Fault(StrEnum):
    """Whose fault a problem is."""

    CLIENT = "client"
    CELL = "cell"
    EDGE = "edge"


@dataclass(frozen=True, slots=True)
class Problem:
    """One kind of refusal. `slug` is the metric label and the last part of the RFC 9457 problem type.

    retry_after_s is set where waiting helps; `closes` says that the connection's framing can't be trusted
    any more, so that it is closed after the reply.
    """

    slug: str
    status: int
    title: str
    fault: Fault
    retry_after_s: int | None = None
    closes: bool = False


@dataclass(slots=True)
class Refusal:
    """A problem met by one request; `detail` tells the client what was wrong and never holds internals."""

    problem: Problem
    detail: str = ""


def _wire(slug: str, status: int, title: str) -> Problem:
    return Problem(slug, status, title, Fault.CLIENT, closes=True)


BAD_REQUEST: Final = _wire("bad-request", 400, "The request is malformed")
REQUEST_TIMEOUT: Final = _wire("request-timeout", 408, "The request came too slowly")
BODY_TOO_LARGE: Final = _wire("body-too-large", 413, "The request body is too large")
TARGET_TOO_LONG: Final = _wire("target-too-long", 414, "The request target is too long")
UNKNOWN_EXPECTATION: Final = _wire("unknown-expectation", 417, "The expectation is not supported")
HEAD_TOO_LARGE: Final = _wire("head-too-large", 431, "The request head is too large")
METHOD_NOT_IMPLEMENTED: Final = _wire("method-not-implemented", 501, "The method is not supported")
VERSION_NOT_SUPPORTED: Final = _wire("version-not-supported", 505, "The HTTP version is not supported")

NO_CREDENTIAL: Final = Problem("no-credential", 401, "A credential is needed", Fault.CLIENT)
INVALID_CREDENTIAL: Final = Problem("invalid-credential", 401, "The credential is not valid", Fault.CLIENT)
UNKNOWN_HOME: Final = Problem("unknown-home", 404, "This user has no home cell", Fault.CLIENT)
NO_ROUTE: Final = Problem("no-route", 404, "No route matches the path", Fault.CLIENT)
WRONG_EDGE: Final = Problem("wrong-edge", 421, "This edge may not carry the user's traffic", Fault.CLIENT)

CELL_DOWN: Final = Problem("cell-down", 503, "The user's home cell is out of service", Fault.CELL, 30)
CELL_UNREACHABLE: Final = Problem(
    "cell-unreachable", 503, "The user's home cell cannot be reached", Fault.CELL, 5
)
CELL_BUSY: Final = Problem(
    "cell-busy", 503, "This edge has all its connections to the home cell in use", Fault.CELL, 1
)
CELL_TIMEOUT: Final = Problem("cell-timeout", 504, "The user's home cell is too slow", Fault.CELL, 5)
CELL_BAD_REPLY: Final = Problem("cell-bad-reply", 502, "The user's home cell sent a broken reply", Fault.CELL)
CELL_CLOSED: Final = Problem(
    "cell-closed", 502, "The user's home cell closed the connection; the request may have arrived", Fault.CELL
)
MOVING: Final = Problem("moving", 503, "The user is being moved to another cell", Fault.EDGE, 2)
LOOKUP_UNAVAILABLE: Final = Problem(
    "lookup-unavailable", 503, "The home cell cannot be looked up now", Fault.EDGE, 2
)
HOME_NOT_LISTED: Final = Problem(
    "home-not-listed", 503, "The home cell is not in this edge's inventory", Fault.EDGE, 30
)
HOME_CHANGED: Final = Problem(
    "home-changed", 409, "The user's home has changed; the request was not carried out", Fault.EDGE, 1
)
SEND_AGAIN: Final = Problem(
    "send-again", 307, "The user's home has changed; send the request again", Fault.EDGE
)
HOME_DISPUTED: Final = Problem(
    "home-disputed",
    503,
    "The user's home cell refuses the user; the request was not carried out",
    Fault.CELL,
    5,
)
NOT_MINE_TWICE: Final = Problem(
    "not-mine-twice", 503, "The user's home is changing; the request was not carried out", Fault.EDGE, 2
)
STOPPING: Final = Problem("stopping", 503, "This edge is stopping", Fault.EDGE, 1, closes=True)
OUT_OF_RESOURCES: Final = Problem(
    "out-of-resources", 503, "This edge is out of resources", Fault.EDGE, 1, closes=True
)
