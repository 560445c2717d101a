"""Snapshots on disk: whole or not there, checked, and one in reserve."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.log.errors import LogBroken, NewerVersion
from streams.snapshot_directory import Snapshot, SnapshotDirectory


def test_two_are_kept_and_the_newest_comes_first(tmp_path):
    """Saving tells the position that the older one covers: what lies after it is still needed."""
    files = SnapshotDirectory(tmp_path / "s", "engine")
    assert files.load(log="L", newest=99) == []
    assert files.save(Snapshot(5, "L", b"five")) == 5
    assert files.save(Snapshot(9, "L", b"nine", {"at_ms": 3})) == 5
    assert files.save(Snapshot(12, "L", b"")) == 9
    assert files.load(log="L", newest=99) == [Snapshot(12, "L", b""), Snapshot(9, "L", b"nine", {"at_ms": 3})]
    assert SnapshotDirectory(tmp_path / "s", "other").load(log="L", newest=99) == []


def test_what_does_not_fit_the_log_is_passed_over(tmp_path):
    """Of another log, or ahead of this one: named, and not used."""
    files = SnapshotDirectory(tmp_path, "engine")
    files.save(Snapshot(5, "L", b"five"))
    files.save(Snapshot(9, "L", b"nine"))
    assert [s.pos for s in files.load(log="L", newest=8)] == [5]
    assert "another log" in files.unusable[0]
    assert files.load(log="M", newest=99) == []
    assert len(files.unusable) == 2


def test_no_damaged_byte_goes_unseen(tmp_path):
    """Any altered byte, and any cut, makes it unusable."""
    files = SnapshotDirectory(tmp_path, "engine")
    files.save(Snapshot(5, "L", b"some state"))
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x20]) + whole[at + 1 :])
        try:
            found = files.load(log="L", newest=99)
        except NewerVersion:
            continue
        assert found == [] or found == [Snapshot(5, "L", b"some state")], at
        assert found == [] or files.load(log="L", newest=99)[0].body == b"some state"
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        assert files.load(log="L", newest=99) == []


def test_leftovers_of_a_killed_writer_are_swept_away(tmp_path):
    """A half-written file has no name of a snapshot, and goes at the next start."""
    files = SnapshotDirectory(tmp_path, "engine")
    (tmp_path / "engine-00000000000000000007.partial").write_bytes(b"half")
    (tmp_path / "dedupe-00000000000000000007.partial").write_bytes(b"of another part")
    assert files.load(log="L", newest=99) == []
    assert [path.name for path in tmp_path.iterdir()] == ["dedupe-00000000000000000007.partial"]


def test_a_newer_format_is_refused(tmp_path):
    """Not passed over: an older program must not throw away what a newer one wrote."""
    files = SnapshotDirectory(tmp_path, "engine")
    files.save(Snapshot(5, "L", b"five"))
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes().replace(b'"format":1', b'"format":2'))
    with pytest.raises(NewerVersion, match="newer version"):
        files.load(log="L", newest=99)


def test_a_directory_that_cannot_be_written_has_a_name(tmp_path: Path):
    """The error is one of ours, and what was there stays."""
    (tmp_path / "s").write_text("a file, not a directory")
    with pytest.raises(LogBroken):
        SnapshotDirectory(tmp_path / "s", "engine").save(Snapshot(5, "L", b""))
