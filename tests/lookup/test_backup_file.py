from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookup.assignment import Alias, Assignment, State
from lookup.backup_file import BackupWriter
from lookup.backup_format import (
    FIRST_LINE,
    HEADER,
    RECORDS,
    BackupError,
    Header,
    Summary,
    block,
    flags_block,
    header_block,
    records_block,
)
from lookup.backup_reader import BackupReader
from lookup.flags import Flag, FlagRecord
from tests.lookup.fakes import NOW_S, home

NAMES = st.text(st.characters(codec="utf-8"), max_size=20)
TIMES = st.floats(0, 4e9)
EPOCHS = st.integers(1, 2**62 - 1)
RECORD_LISTS = st.lists(
    st.builds(Assignment, NAMES, NAMES, NAMES, EPOCHS, st.sampled_from(State), NAMES, TIMES), max_size=30
)
ALIAS_LISTS = st.lists(st.builds(Alias, NAMES, NAMES, EPOCHS, TIMES), max_size=10)
FLAG_LISTS = st.lists(
    st.builds(
        FlagRecord,
        NAMES,
        st.sampled_from(Flag),
        st.integers(1, 2**40),
        NAMES,
        NAMES,
        TIMES,
        st.none() | TIMES,
    ),
    max_size=5,
)
FLAGS = [FlagRecord("cell-a", Flag.DOWN, 3, "disk full", "ann", NOW_S, None)]
HOMES = [home(f"user:{number}", f"cell-{number % 3}", 1 + number % 4) for number in range(25)]


def write(
    path: Path,
    records: list[Assignment] = HOMES,
    aliases: list[Alias] | None = None,
    flags: list[FlagRecord] = FLAGS,
    at_once: int = 10,
) -> Summary:
    with BackupWriter(path) as writer:
        writer.begin(Header(NOW_S, "gen", 42))
        writer.flags(flags)
        for start in range(0, len(records), at_once):
            writer.records(records[start : start + at_once])
        writer.aliases(aliases or [])
        return writer.finish(NOW_S + 5)


def read(path: Path) -> tuple[list[Assignment], list[Alias], BackupReader]:
    with BackupReader(path) as reader:
        blocks = list(reader.blocks())
    records = [record for some in blocks for record in some.records]
    return records, [alias for some in blocks for alias in some.aliases], reader


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("sound") / "b"
    write(path, aliases=[Alias("email:a@b", "user:1", 2, NOW_S)])
    return path.read_bytes()


class TestRoundTrip:
    @given(records=RECORD_LISTS, aliases=ALIAS_LISTS, flags=FLAG_LISTS, at_once=st.integers(1, 12))
    def test_what_is_written_is_read(
        self, records: list[Assignment], aliases: list[Alias], flags: list[FlagRecord], at_once: int
    ) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "b"
            summary = write(path, records, aliases, flags, at_once)
            read_records, read_aliases, reader = read(path)
        assert (read_records, read_aliases, reader.flags) == (records, aliases, flags)
        assert reader.header == Header(NOW_S, "gen", 42)
        assert reader.summary == summary
        assert (summary.records, summary.aliases, summary.flags) == (len(records), len(aliases), len(flags))
        assert summary.moving == sum(record.state is State.MOVING for record in records)

    def test_the_summary_counts_by_cell(self, tmp_path: Path) -> None:
        assert write(tmp_path / "b").users == {"cell-0": 9, "cell-1": 8, "cell-2": 8}

    def test_it_can_be_read_again_from_the_beginning(self, tmp_path: Path) -> None:
        write(tmp_path / "b")
        with BackupReader(tmp_path / "b") as reader:
            assert list(reader.blocks()) == list(reader.blocks())
            assert reader.read_bytes == reader.total_bytes

    def test_only_its_owner_may_read_it(self, tmp_path: Path) -> None:
        write(tmp_path / "b")
        assert (tmp_path / "b").stat().st_mode & 0o777 == 0o600


class TestDamage:
    @given(data=st.data())
    def test_any_byte_that_is_changed_is_noticed(self, sound: bytes, data: st.DataObject) -> None:
        at = data.draw(st.integers(0, len(sound) - 1))
        change = data.draw(st.integers(1, 255))
        refuse(sound[:at] + bytes([sound[at] ^ change]) + sound[at + 1 :])

    @given(data=st.data())
    def test_a_file_that_was_cut_short_anywhere_is_noticed(self, sound: bytes, data: st.DataObject) -> None:
        refuse(sound[: data.draw(st.integers(0, len(sound) - 1))])

    def test_it_says_where_and_what_to_do(self, sound: bytes) -> None:
        at = sound.index(RECORDS + b"\0\0", len(FIRST_LINE))
        damaged = sound[: at + 30] + b"\xff\xff" + sound[at + 32 :]
        assert refuse(damaged) == f"block 3 at byte {at}: its checksum is wrong; use another backup"
        assert refuse(sound[:-5]).endswith("it is cut short; use another backup")
        assert refuse(sound + b"x").endswith("something follows the summary; use another backup")
        assert refuse(b"") == "its first line: it is cut short; use another backup"
        assert refuse(b"-- a dump of something else\n") == "no backup of Home Cell; correct the path"
        newer = sound.replace(b"BACKUP 1\n", b"BACKUP 7\n")
        said = "a backup of format 7, this program knows 1; use the program version that wrote it"
        assert refuse(newer) == said

    def test_blocks_that_were_exchanged_or_left_out_are_noticed(self, sound: bytes) -> None:
        first, second = records_block(HOMES[:10]), records_block(HOMES[10:20])
        assert first + second in sound
        assert "blocks were changed" in refuse(sound.replace(first + second, second + first))
        assert "blocks were changed" in refuse(sound.replace(second, b""))

    @pytest.mark.parametrize(
        "body",
        [b"", b"[]", b'{"begun_at_s": "x"}', b"[" * 100_000],
        ids=["empty", "list", "text", "deep"],
    )
    def test_a_block_with_a_right_checksum_and_wrong_content_is_refused(self, body: bytes) -> None:
        refuse(FIRST_LINE + block(HEADER, body))
        refuse(FIRST_LINE + header_block(Header(1.0, "", 0)) + flags_block([]) + block(RECORDS, body))

    @pytest.mark.parametrize(
        ("column", "value"),
        [(0, "user:\ud800"), (3, 2**70), (6, 10**400), (6, float("nan"))],
    )
    def test_a_record_that_no_store_could_hold_is_refused(self, column: int, value: object) -> None:
        columns: list[list[object]] = [["user:1"], ["cell-a"], ["eu"], [1], [0], [""], [NOW_S]]
        columns[column] = [value]
        body = block(RECORDS, zlib.compress(json.dumps(columns).encode()))
        complaint = refuse(FIRST_LINE + header_block(Header(1.0, "", 0)) + flags_block([]) + body)
        assert complaint.startswith("block 3 at byte ")
        assert "it ends here" not in complaint

    @pytest.mark.parametrize("time_s", [float("nan"), float("inf"), 10**400])
    def test_a_time_that_never_was_is_refused(self, time_s: float) -> None:
        assert "block 1" in refuse(FIRST_LINE + header_block(Header(time_s, "", 0)))
        flag = FlagRecord("cell-a", Flag.DOWN, 1, "", "ann", time_s)
        complaint = refuse(FIRST_LINE + header_block(Header(1.0, "", 0)) + flags_block([flag]))
        assert "a time is no number of seconds" in complaint

    def test_a_file_that_is_not_there_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(BackupError, match="none: No such file or directory; name a backup file"):
            BackupReader(tmp_path / "none")


def refuse(content: bytes) -> str:
    """The complaint of a file with that content, behind its name."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "b"
        path.write_bytes(content)
        with pytest.raises(BackupError) as error:
            read(path)
    return str(error.value).removeprefix(f"{path}: ")


class TestWriting:
    def test_the_old_file_stays_until_the_new_one_is_whole(self, tmp_path: Path) -> None:
        path = tmp_path / "b"
        write(path, HOMES[:3])
        old = path.read_bytes()
        with BackupWriter(path) as writer:
            writer.begin(Header(NOW_S, "", 0))
            writer.records(HOMES)
            assert path.read_bytes() == old
        assert path.read_bytes() == old
        assert list(tmp_path.iterdir()) == [path]

    def test_a_backup_that_is_killed_leaves_the_old_file_and_does_not_hinder_the_next(
        self, tmp_path: Path
    ) -> None:
        path = tmp_path / "b"
        write(path, HOMES[:3])
        old = path.read_bytes()
        command = [sys.executable, "-m", "tests.lookup.backup_process", str(path)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "going\n"
            with pytest.raises(BackupError, match="another backup is being written there"):
                write(path)
        finally:
            process.kill()
            process.communicate()
        assert path.read_bytes() == old
        assert (tmp_path / "b.partial").stat().st_size > 100_000
        write(path)
        assert read(path)[0] == HOMES
        assert list(tmp_path.iterdir()) == [path]

    def test_a_folder_that_is_not_there_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(BackupError, match=r"none/b\.partial: No such file or directory; name a file in"):
            write(tmp_path / "none" / "b")

    def test_what_is_no_file_is_not_replaced(self, tmp_path: Path) -> None:
        """Such as /dev/null, which everybody needs."""
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        with pytest.raises(BackupError, match="it is there and no file; name a file"):
            write(pipe)
        assert pipe.is_fifo()
        assert list(tmp_path.iterdir()) == [pipe]

    def test_a_full_disk_is_told_of_with_the_mend(self) -> None:
        writer = BackupWriter(Path("/dev/full"))
        with Path("/dev/full").open("wb", buffering=0) as full:
            writer._file = full
            with pytest.raises(BackupError, match="No space left on device; make room"):
                writer.begin(Header(NOW_S, "", 0))
