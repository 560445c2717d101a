"""The file under a log: its tables, its version, its connections, and SQLite's errors under our names."""

from __future__ import annotations

import os
import sqlite3
import uuid
from pathlib import Path

from streams.log.errors import DiskFull, ForeignFile, InUse, LogBroken, LogError, NewerVersion

#: "FSLG": tells our files from other SQLite files.
APPLICATION_ID = 0x46534C47
#: Raised by each change of the tables; an older file is brought up by a step in :func:`prepare`.
SCHEMA_VERSION = 1

_BUSY_TIMEOUT_MS = 10_000
#: The write-ahead log is cut back to this after a burst.
_WAL_BYTES = 64 << 20
#: Below this much room an I/O error is put down to a full disk: SQLite does not always say so.
_LITTLE_ROOM_BYTES = 1 << 20

_SCHEMA = """
CREATE TABLE entries (
    pos     INTEGER PRIMARY KEY,  -- the last position it covers
    count   INTEGER NOT NULL CHECK (count >= 1),
    kind    TEXT    NOT NULL,
    at_ms   INTEGER NOT NULL,
    payload BLOB    NOT NULL
);
-- Rule sets are few and looked for by kind.
CREATE INDEX rules ON entries (pos) WHERE kind = 'rules';
-- How far each reader of this log has come. Nothing after the least of them is trimmed.
CREATE TABLE consumers (name TEXT PRIMARY KEY, pos INTEGER NOT NULL) WITHOUT ROWID;
-- Numbers that an append sets in its own transaction, such as how far into another log it has come.
CREATE TABLE marks (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
-- 'newest': the greatest position ever given, so that none is given twice; 'identity': drawn once;
-- 'made_from': the identity of the log that this one follows from.
CREATE TABLE meta (name TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;
"""


def connect(path: Path, *, writes: bool) -> sqlite3.Connection:
    """A connection in autocommit mode (transactions are begun by hand), usable from any one thread at a time."""
    connection = sqlite3.connect(path, timeout=_BUSY_TIMEOUT_MS / 1000, isolation_level=None, check_same_thread=False)
    try:
        if writes:
            connection.execute("PRAGMA journal_mode = WAL")
            # FULL: a commit returns when the write-ahead log is on the disk, not only in the system's cache.
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute(f"PRAGMA journal_size_limit = {_WAL_BYTES}")
            connection.execute("PRAGMA cache_size = -4096")
        else:
            connection.execute("PRAGMA query_only = ON")
            connection.execute("PRAGMA cache_size = -1024")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Makes the tables in an empty file; checks those of an existing one. ForeignFile, NewerVersion."""
    if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0:
        # In one transaction: a crash leaves an empty file or a whole one.
        connection.executescript(
            f"BEGIN IMMEDIATE; PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {SCHEMA_VERSION};"
            f"{_SCHEMA}"
            f"INSERT INTO meta VALUES ('newest', 0), ('identity', '{uuid.uuid4().hex}'); COMMIT;"
        )
        sync_directory(path.parent)
        sync_directory(path.parent.parent)
    check(connection, path)


def check(connection: sqlite3.Connection, path: Path) -> None:
    """ForeignFile or NewerVersion where the file is not for us."""
    if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise ForeignFile(f"{path} is a database of something else: move it away, or give another directory")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > SCHEMA_VERSION:
        raise NewerVersion(
            f"{path} was written by a newer version of Fengsui (log format {version}, this one reads up to "
            f"{SCHEMA_VERSION}): install that version, or give another directory"
        )


def named(error: Exception, path: Path) -> LogError:
    """A SQLite or system error -> one of ours."""
    if isinstance(error, LogError):
        return error
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL or _little_room(path):
        return DiskFull(f"the disk that holds {path} is full: make room; nothing that was accepted is lost")
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return InUse(f"{path} is locked by another program: close whatever has it open")
    if code == sqlite3.SQLITE_NOTADB:
        return ForeignFile(f"{path} is no database: move it away, or give another directory")
    return LogBroken(f"{path} cannot be read or written ({error}): check the disk, then start again")


def _little_room(path: Path) -> bool:
    try:
        stat = os.statvfs(path.parent)
    except OSError:
        return False
    return stat.f_bavail * stat.f_frsize < _LITTLE_ROOM_BYTES


def sync_directory(path: Path) -> None:
    """Makes names in a directory (created, renamed) survive a power cut."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
