"""A worker's snapshot as the product writes and reads it, without the file."""

from __future__ import annotations

from lookup.snapshot import (
    Knowledge,
    KnownHome,
    encode_feed,
    encode_flags,
    encode_homes,
    encode_moves,
    seal,
    unseal,
)
from lookup.warm_start import restore_homes, restore_moves, told_moves
from tests.lookup.model.worker import Worker

_ORIGIN = "the model"


def content_of(worker: Worker) -> bytes:
    """What a later worker may begin with."""
    moved, known = worker.moved, worker.memory.known
    entries = [entry for number in range(known.parts) for entry in known.part(number)]
    homes = [KnownHome(e.key, e.cell, e.jurisdiction, e.epoch, e.state, e.read_at_s) for e in entries]
    feed = encode_feed(_ORIGIN, worker.follower.fresh_as_of_s, moved.covers_since_s, moved.left_at_s)
    moves = encode_moves(told_moves(moved.known()))
    return seal(b"".join((feed, encode_flags(()), moves, encode_homes(homes))))


def restore(worker: Worker, content: bytes) -> None:
    """As far as it can be used."""
    knowledge = unseal(content, _ORIGIN)
    if isinstance(knowledge, Knowledge):
        restore_moves(worker.moved, knowledge, worker.unix_s())
        restore_homes(worker.memory, worker.moved, knowledge.homes, worker.unix_s())
