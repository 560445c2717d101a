"""Backup and restore of a data directory: at rest, under load, and of files that are no backup."""

from __future__ import annotations

import io
import stat
import tarfile
import threading
from pathlib import Path

import msgspec
import pytest
import zstandard

from fengsui.backup import FORMAT, MANIFEST, BackupError, backup, restore
from fengsui.layout import VERSION, DataDirectory
from sinks.consumer import SinkThread
from sinks.store.store import Store
from streams.embedded import SnapshotPolicy
from streams.log.errors import NewerVersion
from streams.log.sqlite import SqliteLog
from tests.small_world import T0_MS, System, batch, expected, read_all, written

OFTEN = SnapshotPolicy(events=60, seconds=0.0, some=60)


class Filled:
    """A running system with a store behind it, in a data directory."""

    def __init__(self, path: Path) -> None:
        self.directory = DataDirectory(path)
        self.lock = self.directory.open()
        self.system = System(path, snapshots=OFTEN, state="snapshots")
        self.system.use()
        self.store = Store.open(f"chdb://{self.directory.store}")
        self.sinks: list[SinkThread] = []
        for name, log, insert in (
            ("store-events", self.system.events, self.store.insert_events),
            ("store-transitions", self.system.transitions, self.store.insert_transitions),
            ("store-dead", self.system.dead, self.store.insert_dead),
        ):
            self.sinks.append(SinkThread(name, log, insert, clock=self.system.clock))
            self.sinks[-1].start()

    def play(self, first: int, last: int) -> None:
        for number in range(first, last):
            self.system.now_ms = T0_MS + number * 1000 + 500
            self.system.post(batch(3, number))

    def settle(self) -> None:
        self.system.settle()
        for sink, log in zip(self.sinks, (self.system.events, self.system.transitions, self.system.dead), strict=True):
            assert sink.wait_for(log.newest, 30), sink.state

    def count(self, what: str, table: str) -> int:
        with self.store._connections.reader() as client:
            return int(client.query(f"SELECT {what} FROM {table}").result_rows[0][0])

    def check(self) -> None:
        """The transitions are those of the events; the store has every row of the logs once, and every alert's newest."""
        self.settle()
        made = written(self.system.transitions)
        assert made == expected(self.system.events)
        events = sum(entry.count for entry in read_all(self.system.events) if entry.kind == "events")
        assert self.count("count()", "events") == self.count("uniqExact(pos)", "events") == events
        assert self.count("count()", "transitions FINAL") == len(made)
        newest = {transition.alert: transition.n for transition in made}
        with self.store._connections.reader() as client:
            assert dict(client.query("SELECT alert, n FROM alerts FINAL").result_rows) == newest

    def close(self) -> None:
        for sink in self.sinks:
            sink.stop()
        self.store.close()
        self.system.close()
        self.lock.release()


def test_a_directory_at_rest_comes_back_as_it_was(tmp_path):
    """Restored under another name it goes on: the same numbers, the same duplicates, the same alerts, and new ones after."""
    filled = Filled(tmp_path / "data")
    filled.play(0, 40)
    filled.settle()
    before = written(filled.system.transitions)
    filled.close()
    (tmp_path / "data" / "admin.token").write_text("secret")
    said: list[str] = []
    manifest = backup(tmp_path / "data", tmp_path / "b.tar.zst", progress=lambda what, _done, _all: said.append(what))
    assert {"snapshots", "store", "log/events.sqlite", "pack"} <= set(said)
    assert stat.S_IMODE((tmp_path / "b.tar.zst").stat().st_mode) == 0o600
    assert not [name for name in manifest.files if "token" in name or "lock" in name]
    assert restore(tmp_path / "b.tar.zst", tmp_path / "elsewhere" / "data") == manifest
    filled = Filled(tmp_path / "elsewhere" / "data")
    filled.settle()
    assert written(filled.system.transitions) == before
    newest = filled.system.events.newest
    filled.play(0, 40)  # all are known
    assert filled.system.events.newest == newest
    filled.play(40, 70)
    filled.check()
    filled.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.tar.zst", "data", "elsewhere"]
    assert not [path for path in (tmp_path / "data").iterdir() if path.name.startswith(".")]


def test_a_directory_in_use_is_copied_while_it_works(tmp_path):
    """Two backups under load: each restores to a whole of some moment, and goes on from there without a seam."""
    filled = Filled(tmp_path / "data")
    ended = threading.Event()
    played = 0

    def load() -> None:
        nonlocal played
        while not ended.is_set():
            filled.play(played, played + 1)
            played += 1

    worker = threading.Thread(target=load)
    worker.start()
    taken: list[Path] = []
    try:
        for at in range(2):
            while filled.store.position("transitions") < 50 * (at + 1):
                assert not ended.wait(0.02)
            taken.append(tmp_path / f"{at}.tar.zst")
            backup(tmp_path / "data", taken[-1])
    finally:
        ended.set()
        worker.join()
    filled.check()
    final = written(filled.system.transitions)
    filled.close()
    for file in taken:
        target = tmp_path / f"{file.name}.data"
        restore(file, target)
        filled = Filled(target)
        filled.settle()
        made = written(filled.system.transitions)
        assert made == final[: len(made)]
        filled.check()
        filled.play(played, played + 10)
        filled.check()
        filled.close()


def test_what_needs_no_copy_makes_no_demand(tmp_path):
    """A directory without a store, and with empty logs, is a directory too."""
    directory = DataDirectory(tmp_path / "data")
    directory.open().release()
    SqliteLog(directory.event_log).close()
    manifest = backup(tmp_path / "data", tmp_path / "b")
    assert not manifest.store
    assert manifest.newest == {"log/events.sqlite": 0}
    restore(tmp_path / "b", tmp_path / "again")
    with SqliteLog(DataDirectory(tmp_path / "again").event_log) as log:
        assert log.newest == 0


def test_what_cannot_be_done_is_named(tmp_path):
    """No data directory, a target that is there, a file that is none of ours: one clear line each, and nothing left behind."""
    with pytest.raises(BackupError, match="no data directory"):
        backup(tmp_path / "nothing", tmp_path / "b")
    DataDirectory(tmp_path / "data").open().release()
    (tmp_path / "b").write_text("x")
    with pytest.raises(BackupError, match="there already"):
        backup(tmp_path / "data", tmp_path / "b")
    with pytest.raises(BackupError, match="no directory"):
        backup(tmp_path / "data", tmp_path / "missing" / "b")
    with pytest.raises(BackupError, match="no such file"):
        restore(tmp_path / "c", tmp_path / "d")
    with pytest.raises(BackupError, match="damaged or no backup"):
        restore(tmp_path / "b", tmp_path / "d")
    with pytest.raises(BackupError, match="not empty"):
        restore(tmp_path / "b", tmp_path / "data")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b", "data"]


@pytest.fixture
def made(tmp_path: Path) -> Path:
    system = System(tmp_path / "data", state="snapshots")
    DataDirectory(tmp_path / "data").open().release()
    system.use()
    system.post(batch(3, 0))
    system.settle()
    system.close()
    backup(tmp_path / "data", tmp_path / "b.tar.zst")
    return tmp_path / "b.tar.zst"


def test_a_damaged_backup_restores_nothing(tmp_path, made):
    """Cut short or altered anywhere: it says so, and no directory appears."""
    whole = made.read_bytes()
    for data in (whole[: len(whole) // 2], whole[:-4], whole[:200] + bytes([whole[200] ^ 255]) + whole[201:], b""):
        made.write_bytes(data)
        with pytest.raises(BackupError, match="another one"):
            restore(made, tmp_path / "back")
        assert not (tmp_path / "back").exists()
    made.write_bytes(whole)
    restore(made, tmp_path / "back")


def test_an_altered_file_is_found(tmp_path, made):
    """Even where the archive itself is sound."""
    members = _members(made)
    members["VERSION"] = b"0\n"
    _archive(made, members)
    with pytest.raises(BackupError, match="VERSION is not what was backed up"):
        restore(made, tmp_path / "back")


def test_a_newer_backup_is_refused(tmp_path, made):
    """By its format, or by the version of the directory in it."""
    members = _members(made)
    for change in ({"format": FORMAT + 1}, {"data_version": VERSION + 1}):
        manifest = msgspec.json.decode(members[MANIFEST]) | change
        _archive(made, members | {MANIFEST: msgspec.json.encode(manifest)})
        with pytest.raises(NewerVersion):
            restore(made, tmp_path / "back")


def test_a_hostile_archive_writes_nothing_outside(tmp_path, made):
    """Names that leave the directory, links out of it, devices."""
    up = tarfile.TarInfo("../evil")
    absolute = tarfile.TarInfo(str(tmp_path / "evil"))
    link, loop, behind = tarfile.TarInfo("out"), tarfile.TarInfo("here"), tarfile.TarInfo("d/x/evil")
    link.type, link.linkname = tarfile.SYMTYPE, "../.."
    loop.type, loop.linkname = tarfile.SYMTYPE, "."
    sly = tarfile.TarInfo("d/x")
    sly.type, sly.linkname = tarfile.SYMTYPE, "../here/.."
    device = tarfile.TarInfo("null")
    device.type = tarfile.CHRTYPE
    hard = tarfile.TarInfo("hard")
    hard.type, hard.linkname = tarfile.LNKTYPE, "../data/VERSION"
    for members in ([up], [absolute], [link], [loop, sly, behind], [device], [hard]):
        _pack(made, [(member, b"") for member in members])
        with pytest.raises(BackupError, match="no backup of Fengsui"):
            restore(made, tmp_path / "back")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.tar.zst", "data"]


def _members(file: Path) -> dict[str, bytes]:
    data = zstandard.ZstdDecompressor().decompressobj().decompress(file.read_bytes())
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar if member.isreg()}


def _archive(file: Path, members: dict[str, bytes]) -> None:
    infos = []
    for name, body in members.items():
        infos.append((tarfile.TarInfo(name), body))
        infos[-1][0].size = len(body)
    _pack(file, infos)


def _pack(file: Path, members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as tar:
        for info, body in members:
            tar.addfile(info, io.BytesIO(body))
    file.write_bytes(zstandard.compress(plain.getvalue()))
