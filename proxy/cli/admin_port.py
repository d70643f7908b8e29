"""Asks the admin port of a running edge."""

from __future__ import annotations

import http.client
from typing import Final, TypeVar

from pydantic import BaseModel, ValidationError

from proxy.model import Endpoint

BodyT = TypeVar("BodyT", bound=BaseModel)

_ASK_TIMEOUT_S: Final = 1.0
_MAX_BYTES: Final = 1 << 22


class AdminUnreachableError(Exception):
    """The admin port gave no usable answer; the text says why."""


class HeavyUser(BaseModel):
    """A user who asks much: its part of the cell's requests, at least and at most."""

    cell: str
    key: str
    share_at_least: float
    share_at_most: float
    samples: int
    samples_of_cell: int


class HeavyBody(BaseModel):
    """What /-/heavy answers."""

    edge: str
    users: list[HeavyUser]


def ask_admin(admin: Endpoint, path: str, body: type[BodyT]) -> BodyT:
    """What it answers. Raises AdminUnreachableError."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(admin.host, admin.host)
    connection = http.client.HTTPConnection(host, admin.port, timeout=_ASK_TIMEOUT_S)
    try:
        connection.request("GET", path)
        reply = connection.getresponse()
        text = reply.read(_MAX_BYTES)
        if reply.status != 200:
            raise AdminUnreachableError(f"it answered with status {reply.status}")
        return body.model_validate_json(text)
    except (OSError, http.client.HTTPException) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
        raise AdminUnreachableError(reason) from error
    except ValidationError as error:
        raise AdminUnreachableError("what answers there is no Home Cell admin port") from error
    finally:
        connection.close()
