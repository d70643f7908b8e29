"""One request, one valid JSON line, whatever the client sent and wherever the lines go."""

from __future__ import annotations

import json
import os
import select
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.model import Source
from proxy.observe import layout
from proxy.observe.access_log import BATCH, AccessLog, AccessRecord
from proxy.observe.log_target import LogTargetError
from proxy.observe.meters import Meters

END_S = 1_790_000_000.5  # 2026-09-21T14:13:20.500Z
ANY_BYTES = st.one_of(
    st.binary(max_size=40), st.text(max_size=20).map(lambda text: text.encode("utf-8", "replace"))
)


def record(
    client: str = "127.0.0.1",
    method: bytes = b"GET",
    target: bytes = b"/orders/1",
    request_id: bytes = b"a1",
    status: int = 200,
    cell: str = "eu-1",
) -> AccessRecord:
    source = int(Source.BEARER)
    return (END_S, client, method, target, status, cell, 1, 7, "", 0.0031, 10, 107, request_id, source, 1)


@pytest.fixture
def row() -> memoryview:
    return memoryview(bytearray(8 * layout.row_length(1))).cast("q")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "access.log"


@pytest.fixture
def log(path: Path, row: memoryview) -> Iterator[AccessLog]:
    log = AccessLog(str(path), "edge-eu-1", 3, Meters(row))
    yield log
    log.close()


@pytest.fixture(scope="module")
def formatter() -> AccessLog:
    return AccessLog(
        "/dev/null", 'edge "%s" é', 0, Meters(memoryview(bytearray(8 * layout.row_length(1))).cast("q"))
    )


def test_a_line_tells_everything_of_its_request(log: AccessLog, path: Path) -> None:
    log.note(record())
    log.flush()
    assert json.loads(path.read_bytes()) == {
        "time": "2026-09-21T14:13:20.500Z",
        "edge": "edge-eu-1",
        "worker": 3,
        "client": "127.0.0.1",
        "method": "GET",
        "path": "/orders/1",
        "status": 200,
        "cell": "eu-1",
        "tier": "memory",
        "epoch": 7,
        "reason": "",
        "duration_ms": 3.1,
        "request_bytes": 10,
        "reply_bytes": 107,
        "request_id": "a1",
        "source": "bearer",
        "attempts": 1,
    }


def test_a_request_that_was_never_looked_up_has_no_tier(formatter: AccessLog) -> None:
    line = formatter.format(
        [(END_S, "::1", b"GET", b"", 401, "", -1, -1, "no-credential", 0.0, 0, 0, b"", 0, 0)]
    )[0]
    told = json.loads(line)
    assert (told["tier"], told["cell"], told["epoch"], told["source"]) == ("none", "", -1, "none")
    assert told["reason"] == "no-credential"


def test_cells_that_were_asked_before_the_last_one_are_told_in_their_order(formatter: AccessLog) -> None:
    lines = formatter.format([record(), record(cell="eu-1 eu-2"), record(cell="eu-1 eu-2 eu-1"), record()])
    told = [json.loads(line) for line in lines]
    assert [line["cell"] for line in told] == ["eu-1", "eu-2", "eu-1", "eu-1"]
    assert [line.get("asked_before") for line in told] == [None, ["eu-1"], ["eu-1", "eu-2"], None]


def test_the_query_is_not_logged(formatter: AccessLog) -> None:
    lines = formatter.format([record(target=b"/a?token=secret"), record(target=b'/"?token=secret')])
    assert [json.loads(line)["path"] for line in lines] == ["/a", '/"']
    assert not any(b"secret" in line for line in lines)


def test_an_id_of_the_accepted_length_is_told_whole_whoever_else_is_in_its_batch(
    formatter: AccessLog,
) -> None:
    longest = record(request_id=b"a" * 128)
    for neighbour in (record(), record(target=b'/"')):
        line, _ = formatter.format([longest, neighbour])
        assert json.loads(line)["request_id"] == "a" * 128


def test_the_time_follows_the_clock_in_both_directions(formatter: AccessLog) -> None:
    ends = (END_S, END_S + 60.0, END_S - 1.0)
    lines = formatter.format([(end_s, *record()[1:]) for end_s in ends])
    assert [json.loads(line)["time"][11:] for line in lines] == [
        "14:13:20.500Z",
        "14:14:20.500Z",
        "14:13:19.500Z",
    ]


@given(
    st.lists(st.builds(record, st.text(max_size=20), ANY_BYTES, ANY_BYTES, ANY_BYTES), min_size=1, max_size=4)
)
def test_no_byte_from_outside_breaks_a_line(formatter: AccessLog, records: list[AccessRecord]) -> None:
    lines = formatter.format(records)
    assert len(lines) == len(records)
    for line, (_, client, method, target, *_, request_id, _, _) in zip(lines, records, strict=True):
        assert line.endswith(b"}\n")
        assert line.count(b"\n") == 1
        told = json.loads(line.decode("ascii"))
        assert told["edge"] == 'edge "%s" é'
        assert told["client"] == client
        assert told["method"] == method.decode("latin-1")
        assert told["path"] == target.partition(b"?")[0].decode("latin-1")
        assert told["request_id"] == request_id.decode("latin-1")


@given(byte=st.integers(0, 255), length=st.integers(3000, 20_000))
def test_a_line_fits_one_atomic_write_to_a_pipe(formatter: AccessLog, byte: int, length: int) -> None:
    text = bytes([byte]) * length
    cells = " ".join(letter * 63 for letter in "abc")
    line = formatter.format([record(client="é" * 99, method=text, target=text, request_id=text, cell=cells)])[
        0
    ]
    assert len(line) <= select.PIPE_BUF
    json.loads(line)


def test_every_64th_request_writes_the_lines(log: AccessLog, path: Path) -> None:
    for _ in range(BATCH - 1):
        log.note(record())
    assert path.read_bytes() == b""
    log.note(record())
    assert path.read_bytes().count(b"\n") == BATCH


def test_after_a_rotation_lines_go_to_the_new_file(log: AccessLog, path: Path) -> None:
    log.note(record(request_id=b"before"))
    rotated = path.rename(path.with_suffix(".1"))
    log.reopen()
    log.note(record(request_id=b"after"))
    log.flush()
    assert json.loads(rotated.read_bytes())["request_id"] == "before"
    assert json.loads(path.read_bytes())["request_id"] == "after"


def test_a_rotation_that_fails_keeps_the_old_file(log: AccessLog, path: Path) -> None:
    rotated = path.rename(path.with_suffix(".1"))
    path.mkdir()
    with pytest.raises(LogTargetError, match=r"cannot open the log .*access\.log"):
        log.reopen()
    log.note(record())
    log.flush()
    assert rotated.read_bytes().count(b"\n") == 1


def test_workers_append_to_one_file(log: AccessLog, path: Path, row: memoryview) -> None:
    other = AccessLog(str(path), "edge-eu-1", 1, Meters(row))
    for _ in range(2):
        log.note(record())
        other.note(record())
        log.flush()
        other.flush()
    other.close()
    assert [json.loads(line)["worker"] for line in path.read_bytes().splitlines()] == [3, 1, 3, 1]


def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path, row: memoryview) -> None:
    with pytest.raises(LogTargetError, match=r"nowhere/access\.log.*No such file"):
        AccessLog(str(tmp_path / "nowhere" / "access.log"), "edge", 0, Meters(row))


def test_a_pipe_that_nobody_reads_costs_whole_lines_and_never_waits(tmp_path: Path, row: memoryview) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    meters = Meters(row)
    log = AccessLog(str(pipe), "edge", 0, meters)
    for number in range(100 * BATCH):
        log.note(record(request_id=b"%d" % number))
    meters.publish()
    dropped = row[layout.LOG_DROPPED]
    assert 0 < dropped < 100 * BATCH
    assert _ids(_read_all(reader)) == list(range(100 * BATCH - dropped))
    log.note(record(request_id=b"-1"))
    log.close()
    assert _ids(_read_all(reader)) == [-1]
    os.close(reader)


def _ids(lines: bytes) -> list[int]:
    return [int(json.loads(line)["request_id"]) for line in lines.splitlines()]


def _read_all(descriptor: int) -> bytes:
    parts: list[bytes] = []
    while True:
        try:
            part = os.read(descriptor, 1 << 20)
        except BlockingIOError:
            part = b""
        if not part:
            return b"".join(parts)
        parts.append(part)
