"""What workers write to standard error becomes lines of the edge's log, with a level."""

from __future__ import annotations

import io
import logging
from logging import ERROR, INFO, WARNING

from proxy.control.words import FORMAT, messages, whole_lines


def test_lines_have_the_level_that_the_worker_gave_them() -> None:
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(logging.Formatter(FORMAT))
    for level, text in ((WARNING, "the change feed broke: away"), (INFO, "flag of eu-1: down")):
        handler.emit(logging.LogRecord("homecell", level, "", 0, text, None, None))
    assert messages(written.getvalue().encode()) == [
        (WARNING, "the change feed broke: away"),
        (INFO, "flag of eu-1: down"),
    ]


def test_a_traceback_belongs_to_the_line_before() -> None:
    written = b"ERROR cannot go on\nTraceback (most recent call last):\n  File ...\nINFO on\n"
    assert [level for level, _ in messages(written)] == [ERROR, ERROR, ERROR, INFO]
    assert messages(written)[1][1] == "Traceback (most recent call last):"


def test_what_no_log_wrote_is_an_error_and_whatever_bytes_come_are_shown() -> None:
    assert messages(b"Fatal Python error: \xff\n") == [(ERROR, "Fatal Python error: \ufffd")]
    assert messages(b"") == []


def test_the_beginning_of_a_line_is_kept_until_its_end_has_come() -> None:
    lines, beginning = whole_lines(b"INFO one\nWARNING tw")
    assert lines == b"INFO one\n"
    assert whole_lines(beginning) == (b"", b"WARNING tw")
    assert whole_lines(beginning + b"o\n") == (b"WARNING two\n", b"")
