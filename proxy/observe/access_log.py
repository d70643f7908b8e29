"""One JSON line per request, formatted in batches (HOT: `note` on every request).

Whatever bytes a client sends, a line stays one valid JSON object: a batch whose texts are all plain is
formatted as it is, any other is escaped first, so that the usual request pays for one check a batch only.
"""

from __future__ import annotations

import time
from json.encoder import encode_basestring_ascii
from typing import Final

from lookup.resolution import TIER_LABELS
from proxy.model import SOURCE_LABELS
from proxy.observe.log_target import LogTarget
from proxy.observe.meters import Meters

BATCH: Final = 64
# Longer texts are cut. Escaped to six characters a byte, a line still fits PIPE_BUF (4,096 bytes).
TARGET_LIMIT: Final = 2048
ESCAPED_TARGET_LIMIT: Final = 256
TEXT_LIMIT: Final = 64
ID_LIMIT: Final = 128

_PLAIN: Final = bytes(code for code in range(0x20, 0x7F) if code not in b'"\\')
_TIERS: Final = (*(label.encode() for label in TIER_LABELS), b"none")  # tier -1 is the last
_SOURCES: Final = tuple(label.encode() for label in SOURCE_LABELS)

# In this order: Unix seconds at the request's end; client's address; method; target (b"": withheld); status
# (0: none was sent); cell ("" none; names that a space parts: those asked, in order); tier (a Tier, -1 none);
# epoch (-1 none); reason ("" ok, else a Problem.slug); duration in seconds; request and reply body bytes;
# request id; model.Source; attempts.
AccessRecord = tuple[float, str, bytes, bytes, int, str, int, int, str, float, int, int, bytes, int, int]


class _Labels(dict[str, bytes]):
    """The JSON strings of cells and slugs: they are few, so all are kept; not those of several cells."""

    def __missing__(self, text: str) -> bytes:
        if " " in text:
            *before, last = text.split(" ")
            return self[last] + b',"asked_before":[%b]' % b",".join([self[name] for name in before])
        label = self[text] = encode_basestring_ascii(text).encode()
        return label


class AccessLog:
    """The access log of one worker.

    target is a path ("/dev/stdout" for standard output); `edge` and `worker` (the slot) stand in every line.
    Lines that can't be written are dropped and counted in `meters`. The owner calls `flush` at least every
    0.25 s, `reopen` after a rotation, and `close` at the end. Raises LogTargetError when the target can't be
    opened.
    """

    __slots__ = ("_labels", "_meters", "_records", "_second", "_second_text", "_target", "_template")

    def __init__(self, target: str, edge: str, worker: int, meters: Meters) -> None:
        self._target: LogTarget = LogTarget(target)
        self._meters: Meters = meters
        self._template: bytes = _template(edge, worker)
        self._records: list[AccessRecord] = []
        self._labels = _Labels()
        self._second: int = -1
        self._second_text: bytes = b""

    def note(self, record: AccessRecord) -> None:
        """Take one request's record; every 64th call formats and writes."""
        records = self._records
        records.append(record)
        if len(records) >= BATCH:
            self.flush()

    def flush(self) -> None:
        """Write what was noted since the last write; never waits for a reader nor raises for a full disk."""
        records = self._records
        if not records:
            return
        self._records = []
        dropped = self._target.write(self.format(records))
        if dropped:
            self._meters.log_dropped(dropped)

    def format(self, records: list[AccessRecord]) -> list[bytes]:
        """The lines of these records, each with its line end."""
        if not _all_plain(records):
            records = [_escaped(record) for record in records]
        template = self._template
        labels = self._labels
        lines: list[bytes] = []
        for (
            end_s, client, method, target, status, cell, tier, epoch,
            reason, duration_s, request_bytes, reply_bytes, request_id, source, attempts,
        ) in records:  # fmt: skip
            second = int(end_s)
            duration_us = int(duration_s * 1e6)
            line = template % (  # of integers: a float costs three times as much to format
                self._second_text if second == self._second else self._new_second(second),
                int((end_s - second) * 1000.0),
                client.encode(),
                method,
                target.partition(b"?")[0],
                status,
                labels[cell],
                _TIERS[tier],
                epoch,
                labels[reason],
                duration_us // 1000,
                duration_us % 1000,
                request_bytes,
                reply_bytes,
                request_id,
                _SOURCES[source],
                attempts,
            )
            lines.append(line)
        return lines

    def reopen(self) -> None:
        """Write to a fresh file of the same name from now on (rotation).

        Raises LogTargetError when that can't be opened; then the old file stays in use.
        """
        self.flush()
        self._target.reopen()

    def close(self) -> None:
        """Flush and close; no call may follow."""
        self.flush()
        self._target.close()

    def _new_second(self, second: int) -> bytes:
        self._second = second
        self._second_text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second)).encode()
        return self._second_text


def _template(edge: str, worker: int) -> bytes:
    name = encode_basestring_ascii(edge).replace("%", "%%")
    return (
        '{"time":"%b.%03dZ","edge":'
        + name
        + ',"worker":'
        + str(worker)
        + ',"client":"%b","method":"%b","path":"%b"'
        ',"status":%d,"cell":%b,"tier":"%b","epoch":%d,"reason":%b,"duration_ms":%d.%03d'
        ',"request_bytes":%d,"reply_bytes":%d,"request_id":"%b","source":"%b","attempts":%d}\n'
    ).encode()


def _all_plain(records: list[AccessRecord]) -> bool:
    """Whether every text from outside is printable ASCII without quote or backslash, and not too long."""
    texts = [record[2] + record[3] + record[12] for record in records]
    clients = "".join([record[1] for record in records])
    if max(map(len, texts)) > TARGET_LIMIT or not clients.isascii():
        return False
    return not (b"".join(texts) + clients.encode()).translate(None, _PLAIN)


def _escaped(record: AccessRecord) -> AccessRecord:
    """The record with its texts escaped for JSON (bytes above 127 as Latin-1) and cut to their limits."""
    client, method, target = record[1:4]
    path = target.partition(b"?")[0][:TARGET_LIMIT]
    if path.translate(None, _PLAIN):
        path = _escape(path[:ESCAPED_TARGET_LIMIT])
    return (
        record[0],
        encode_basestring_ascii(client[:TEXT_LIMIT])[1:-1],
        _escape(method[:TEXT_LIMIT]),
        path,
        *record[4:12],
        _escape(record[12][:ID_LIMIT]),
        *record[13:],
    )


def _escape(text: bytes) -> bytes:
    return encode_basestring_ascii(text.decode("latin-1"))[1:-1].encode()
