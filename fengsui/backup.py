"""Backup of a data directory into one file, also while a system runs on it, and its restoration.

What a copy of several living files must hold, and how it does:

- Each log is copied in one read transaction of SQLite, so it is whole. The transition log is copied before the event log, as it
  follows from it: a copy never has transitions of events that it lacks.
- Snapshots are written once and renamed into place; they are linked first, so the logs reach at least as far as they do.
- The store's parts are never changed once they are there, only made and, minutes after their merge, deleted: hard links to all
  of them are a store as of that moment. What its sink wrote since is written again from the log: the copy's offsets are those
  read before anything else. Positions tell the sink what is there already.
- If something that the copy needs was trimmed from a log meanwhile, the copy begins again.

The administrator's token is not in it: a restored system makes itself a new one. A store on a server is not in it either.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, Any

import msgspec
import zstandard

from fengsui.exits import INPUT, SERVICE
from fengsui.layout import VERSION, DataDirectory
from streams.embedded import CONSUMER as ENGINE
from streams.embedded import PRODUCED
from streams.log.errors import DiskFull, NewerVersion
from streams.log.sqlite import SqliteLog
from streams.log.sqlite_file import sync_directory

FORMAT = 1
MANIFEST = "manifest.json"
#: In the order in which they must be copied.
_LOGS = ("log/transitions.sqlite", "log/dead.sqlite", "log/events.sqlite")
_ATTEMPTS = 5
_BLOCK = 1 << 20
_ZSTD_LEVEL = 3
_STAGING = ".backup-"

#: what is being done, bytes done of it, bytes in all (0 where not known)
Progress = Callable[[str, int, int], None]


class BackupError(Exception):
    """A backup or a restoration that cannot be done; the text says what to do."""

    def __init__(self, message: str, *, exit_code: int = INPUT) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class _File(msgspec.Struct, frozen=True):
    size: int
    digest: str


class Manifest(msgspec.Struct, frozen=True):
    """What a backup holds: for each log its newest position, and every file with its digest."""

    format: int
    data_version: int
    newest: dict[str, int]
    store: bool
    files: dict[str, _File] = {}

    @property
    def nbytes(self) -> int:
        return sum(file.size for file in self.files.values())


class _TrimmedMeanwhile(Exception):
    """A log let go of what the copy needs while it was being made."""


# --- making one


def backup(data: Path, to: Path, *, progress: Progress | None = None) -> Manifest:
    """Copies a data directory, in use or not, into the file ``to`` (tar, zstd), readable by its owner only.

    Raises BackupError, NewerVersion, DiskFull, LogBroken. What it could not finish it takes away again.
    """
    directory = DataDirectory(data)
    if not directory.exists:
        raise BackupError(f"{data} is no data directory of Fengsui: give the one that `up` or `demo` was given")
    directory.check_version()
    if to.exists():
        raise BackupError(f"{to} is there already: give another name, or take it away first")
    if not to.parent.is_dir():
        raise BackupError(f"{to.parent} is no directory: make it first")
    say = progress or _quiet
    with _full_disk_named(to), _staging(data) as links, _staging(to.parent) as copies:
        staged = _stage(directory, links, copies, say)
        return _pack(staged, to, say)


@dataclass
class _Staged:
    """Everything that goes into the file: name -> where it lies now. ``symlinks``: name -> target."""

    newest: dict[str, int] = field(default_factory=dict)
    store: bool = False
    files: dict[str, Path] = field(default_factory=dict)
    folders: list[str] = field(default_factory=list)
    symlinks: dict[str, str] = field(default_factory=dict)


def _stage(directory: DataDirectory, links: Path, copies: Path, say: Progress) -> _Staged:
    for attempt in range(_ATTEMPTS):
        try:
            return _stage_once(directory, links / str(attempt), copies / str(attempt), say)
        except _TrimmedMeanwhile:
            continue
    raise BackupError(
        f"{directory.path} is trimming its logs faster than they can be copied: give it more room (log_max_gb) or stop it",
        exit_code=SERVICE,
    )


def _stage_once(directory: DataDirectory, links: Path, copies: Path, say: Progress) -> _Staged:
    staged = _Staged()
    links.mkdir()
    copies.mkdir()
    say("offsets", 0, 0)
    offsets = {}
    for name in _LOGS:
        if (directory.path / name).exists():
            with SqliteLog(directory.path / name, read_only=True) as log:
                offsets[name] = log.consumers()
    say("snapshots", 0, 0)
    _link(directory.snapshots, links / "snapshots", "snapshots", staged, wanted=lambda name: name.endswith(".snapshot"))
    if directory.store.is_dir():
        say("store", 0, 0)
        staged.store = True
        _link(directory.store, links / "store", "store", staged, wanted=lambda _: True)
    for name, stood in offsets.items():
        copy = copies / name
        copy.parent.mkdir(exist_ok=True)
        _copy_log(directory.path / name, copy, partial(say, name))
        staged.newest[name] = _set_back(copy, stood)
        staged.files[name] = copy
    _check_together(copies)
    if offsets.get(_LOGS[-1], {}).get(ENGINE) and not any("/engine-" in name for name in staged.files):
        raise _TrimmedMeanwhile  # all snapshots that were listed had gone when they were linked
    version = copies / "VERSION"
    version.write_text(f"{VERSION}\n", encoding="ascii")
    staged.files["VERSION"] = version
    return staged


def _link(source: Path, target: Path, name: str, staged: _Staged, *, wanted: Callable[[str], bool]) -> None:
    """Hard links to a tree's files, as it now is. A folder that is being deleted is left out, and what is being made."""
    if not source.is_dir():
        return
    target.mkdir()
    staged.folders.append(name)
    try:
        listed = sorted(os.scandir(source), key=lambda item: item.name)
    except FileNotFoundError:
        raise _Gone from None
    for item in listed:
        inner = f"{name}/{item.name}"
        if item.is_symlink():
            staged.symlinks[inner] = str(Path(item.path).readlink())
        elif item.is_dir():
            if item.name.startswith(("tmp", "delete_tmp", _STAGING)):
                continue
            try:
                _link(Path(item.path), target / item.name, inner, staged, wanted=wanted)
            except _Gone:
                _forget(inner, staged)
        elif item.is_file() and wanted(item.name):
            try:
                _link_file(Path(item.path), target / item.name)
            except FileNotFoundError:
                if name.count("/") >= _PART_DEPTH:
                    raise _Gone from None
                continue
            staged.files[inner] = target / item.name


def _link_file(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except FileNotFoundError:
        raise
    except OSError:  # file systems without hard links, or files of another user
        shutil.copyfile(source, target)


#: ``store/store/abc/<uuid>/<part>``: a part that lacks a file is no part.
_PART_DEPTH = 4


class _Gone(Exception):
    """A folder was deleted while it was being linked."""


def _forget(name: str, staged: _Staged) -> None:
    staged.folders = [other for other in staged.folders if other != name and not other.startswith(f"{name}/")]
    staged.files = {other: path for other, path in staged.files.items() if not other.startswith(f"{name}/")}


def _copy_log(source: Path, target: Path, say: Callable[[int, int], None]) -> None:
    """In one read transaction, while others write. The copy is checked."""
    with (
        closing(sqlite3.connect(source, isolation_level=None)) as living,
        closing(sqlite3.connect(target, isolation_level=None)) as copy,
    ):
        living.execute("PRAGMA query_only = ON")
        # Holding a read transaction: in pieces, SQLite would begin again whenever someone writes.
        living.execute("BEGIN")
        living.execute("SELECT count(*) FROM meta").fetchone()
        pages = living.execute("PRAGMA page_count").fetchone()[0]
        size = living.execute("PRAGMA page_size").fetchone()[0]
        say(0, pages * size)
        living.backup(copy, pages=8_192, progress=lambda _, left, all_: say((all_ - left) * size, all_ * size))
        living.execute("COMMIT")
        copy.execute("PRAGMA journal_mode = DELETE")
        verdict = copy.execute("PRAGMA quick_check").fetchone()[0]
        if verdict != "ok":
            raise BackupError(
                f"{source} is damaged ({verdict}): check the disk, and keep earlier backups", exit_code=SERVICE
            )


def _set_back(copy: Path, offsets: dict[str, int]) -> int:
    """Puts the copy's consumers to where they stood before anything was copied; the copy's newest position."""
    with closing(sqlite3.connect(copy)) as log:
        log.execute("DELETE FROM consumers")
        log.executemany("INSERT INTO consumers VALUES (?, ?)", offsets.items())
        log.commit()
        newest: int = log.execute("SELECT value FROM meta WHERE name = 'newest'").fetchone()[0]
        row = log.execute("SELECT pos - count FROM entries ORDER BY pos LIMIT 1").fetchone()
        before = newest if row is None else row[0]
        if offsets and before > min(offsets.values()):
            raise _TrimmedMeanwhile
    return newest


def _check_together(copies: Path) -> None:
    """What was made from events must not reach beyond them: our own bug, or files that never belonged together."""
    events, transitions = copies / "log/events.sqlite", copies / "log/transitions.sqlite"
    if not (events.exists() and transitions.exists()):
        return
    with closing(sqlite3.connect(events)) as log:
        newest = log.execute("SELECT value FROM meta WHERE name = 'newest'").fetchone()[0]
    with closing(sqlite3.connect(transitions)) as log:
        made = log.execute("SELECT value FROM marks WHERE name = ?", (PRODUCED,)).fetchone()
    if made is not None and made[0] > newest:
        raise BackupError(f"the transition log was made from events up to {made[0]}, the event log ends at {newest}")


def _pack(staged: _Staged, to: Path, say: Progress) -> Manifest:
    total = sum(path.stat().st_size for path in staged.files.values())
    unfinished = to.with_name(to.name + ".partial")
    files: dict[str, _File] = {}
    done = 0
    try:
        with open(unfinished, "wb", opener=_owner_only) as raw:
            with (
                zstandard.ZstdCompressor(level=_ZSTD_LEVEL).stream_writer(raw, closefd=False) as packed,
                tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT) as tar,
            ):
                for name in staged.folders:
                    tar.addfile(_member(name, tarfile.DIRTYPE, mode=0o750))
                for name, target in staged.symlinks.items():
                    tar.addfile(_member(name, tarfile.SYMTYPE, linkname=target))
                for name, path in staged.files.items():
                    with path.open("rb") as file:
                        member = _member(name, tarfile.REGTYPE, size=os.fstat(file.fileno()).st_size)
                        reader = _Digest(file, member.size)
                        tar.addfile(member, reader)
                    files[name] = _File(member.size, reader.digest())
                    done += member.size
                    say("pack", done, total)
                manifest = Manifest(FORMAT, VERSION, staged.newest, staged.store, files)
                body = msgspec.json.encode(manifest)
                tar.addfile(_member(MANIFEST, tarfile.REGTYPE, size=len(body)), io.BytesIO(body))
            raw.flush()
            os.fsync(raw.fileno())
        unfinished.rename(to)
        sync_directory(to.parent)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    return manifest


def _member(name: str, kind: bytes, *, size: int = 0, mode: int = 0o640, linkname: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.size, member.mode, member.linkname = kind, size, mode, linkname
    return member


class _Digest:
    """Reads a file up to ``size`` bytes and hashes what was read: a file that grows meanwhile is kept as it was."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file = file
        self._left = size
        self._hash = hashlib.blake2b(digest_size=16)

    def read(self, n: int = -1) -> bytes:
        data = self._file.read(min(self._left, n if n >= 0 else self._left))
        self._left -= len(data)
        self._hash.update(data)
        return data

    def digest(self) -> str:
        return self._hash.hexdigest()


# --- bringing one back


def restore(file: Path, data: Path, *, progress: Progress | None = None) -> Manifest:
    """Makes a data directory from a backup. ``data`` must not be there, or be empty.

    Everything is unpacked and checked beside it and then given its name, so that there is all of it or nothing.
    Raises BackupError, NewerVersion, DiskFull, StoreError.
    """
    if not file.is_file():
        raise BackupError(f"{file}: no such file")
    if data.exists() and (not data.is_dir() or any(data.iterdir())):
        raise BackupError(f"{data} is not empty: a backup is restored into a directory of its own")
    data.parent.mkdir(parents=True, exist_ok=True)
    say = progress or _quiet
    with _full_disk_named(data), _staging(data.parent) as staging:
        fresh = staging / "data"
        fresh.mkdir(mode=0o750)
        manifest = _unpack(file, fresh, say)
        if manifest.store:
            say("store", 0, 0)
            _mend_store(fresh / "store")
        os.sync()
        if data.exists():
            data.rmdir()
        fresh.rename(data)
        sync_directory(data.parent)
    return manifest


def _unpack(file: Path, target: Path, say: Progress) -> Manifest:
    found: dict[str, _File] = {}
    manifest: Manifest | None = None
    total = file.stat().st_size
    try:
        with (
            file.open("rb") as raw,
            zstandard.ZstdDecompressor().stream_reader(raw) as packed,
            tarfile.open(fileobj=packed, mode="r|") as tar,
        ):
            for member in tar:
                _check_member(file, member)
                place = target / member.name
                if place.parent.resolve() != target.resolve() / Path(member.name).parent:
                    raise BackupError(f"{file} is no backup of Fengsui: {member.name[:80]!r} lies behind a link")
                if member.isdir():
                    place.mkdir(parents=True, exist_ok=True)
                elif member.issym():
                    place.parent.mkdir(parents=True, exist_ok=True)
                    place.symlink_to(member.linkname)
                else:
                    body = tar.extractfile(member)
                    assert body is not None
                    if member.name == MANIFEST:
                        manifest = _manifest(file, body.read())
                        continue
                    place.parent.mkdir(parents=True, exist_ok=True)
                    found[member.name] = _write(body, place)
                say("unpack", raw.tell(), total)
    except (tarfile.TarError, zstandard.ZstdError, EOFError) as error:
        raise BackupError(f"{file} is damaged or no backup ({error}): use another one") from error
    if manifest is None:
        raise BackupError(f"{file} is not whole, its end is missing: use another one")
    if manifest.files != found:
        wrong = sorted(name for name in manifest.files.keys() | found if manifest.files.get(name) != found.get(name))
        raise BackupError(f"{file} is damaged ({wrong[0]} is not what was backed up): use another one")
    return manifest


def _manifest(file: Path, body: bytes) -> Manifest:
    head: dict[str, Any] = msgspec.json.decode(body)
    if head.get("format", 0) > FORMAT or head.get("data_version", 0) > VERSION:
        raise NewerVersion(f"{file} was made by a newer version of Fengsui: install that version to restore it")
    return msgspec.json.decode(body, type=Manifest)


def _check_member(file: Path, member: tarfile.TarInfo) -> None:
    """A backup from who knows where must not write beside its directory."""
    parts = Path(member.name).parts
    inside = bool(parts) and not Path(member.name).is_absolute() and ".." not in parts
    if member.issym():
        target = Path(os.path.normpath(Path(*parts[:-1]) / member.linkname)) if parts else Path("..")
        inside = inside and not target.is_absolute() and target.parts[:1] != ("..",)
    if not inside or not (member.isreg() or member.isdir() or member.issym()):
        raise BackupError(f"{file} is no backup of Fengsui: it holds {member.name[:80]!r}")


def _write(body: IO[bytes], place: Path) -> _File:
    digest, size = hashlib.blake2b(digest_size=16), 0
    with place.open("xb") as file:
        while block := body.read(_BLOCK):
            file.write(block)
            digest.update(block)
            size += len(block)
    return _File(size, digest.hexdigest())


def _mend_store(path: Path) -> None:
    """Transitions were linked before or after the alerts that follow from them: those are made again. Opening it checks it."""
    from sinks.store.store import Store

    with Store.open(f"chdb://{path.resolve()}") as store, store._connections.writer() as client:
        views = client.query(
            "SELECT target_table, as_select FROM system.tables AS t ARRAY JOIN [extract(create_table_query, ' TO (\\\\S+)')] "
            "AS target_table WHERE database = currentDatabase() AND engine = 'MaterializedView'"
        ).result_rows
        for target, select in views:
            client.command(f"INSERT INTO {target} {select}")


# --- both


def _quiet(_what: str, _done: int, _total: int) -> None:
    """Nobody watches."""


def _owner_only(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


@contextmanager
def _staging(parent: Path) -> Iterator[Path]:
    for left in parent.glob(f"{_STAGING}*"):
        if not _lives(left.name.removeprefix(_STAGING).partition("-")[0]):
            shutil.rmtree(left, ignore_errors=True)  # of a backup that was killed
    path = Path(tempfile.mkdtemp(prefix=f"{_STAGING}{os.getpid()}-", dir=parent))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _lives(process: str) -> bool:
    try:
        os.kill(int(process), 0)
    except (ProcessLookupError, ValueError, OverflowError):
        return False
    except PermissionError:
        pass
    return True


@contextmanager
def _full_disk_named(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno == 28:
            raise DiskFull(f"no room for {path}: make room, or give another disk") from error
        raise BackupError(f"{path}: {error.strerror or error}", exit_code=SERVICE) from error
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL:
            raise DiskFull(f"no room for {path}: make room, or give another disk") from error
        raise BackupError(f"a log cannot be copied: {error}", exit_code=SERVICE) from error
