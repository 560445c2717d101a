"""A log in one SQLite file: append, read, wait, and consumers that each know how far they have come.

One thread writes. Callers queue their entries, and whatever is queued when the last commit returns goes into the next one
(group commit): at a high rate a commit to the disk serves many callers. Entries get their positions in the order in which
they were queued. An append is on the disk when it returns.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from streams.log.entry import Entry, NewEntry
from streams.log.errors import LogBroken, LogClosed, LogError, LogFull, LogMismatch
from streams.log.lock import FileLock
from streams.log.sqlite_file import check, connect, named, prepare

#: What an entry costs in the file beside its payload, about.
_ENTRY_BYTES = 64
#: A commit takes at most this much, so that the first of many callers need not wait for the last.
_GROUP_BYTES = 32 << 20
#: ``append`` waits while more than this is queued.
_QUEUE_BYTES = 128 << 20
#: Trimming frees this part of the bound at once, so that a full log does not trim on every append.
_TRIM_PART = 1 / 32
_TRIM_ENTRIES = 5_000
_AGE_CHECK_MS = 60_000
#: Ticks, acts and rule sets may go beyond the bound by this part of it: a full log is no reason to stop time, or people.
_RESERVE_PART = 1 / 32
_CONTROL = frozenset({"tick", "act", "rules"})
_IDLE_READERS = 8
_POLL_S = 0.05


@dataclass
class _Job:
    entries: Sequence[NewEntry] = ()
    marks: Mapping[str, int] = field(default_factory=dict)
    #: consumer -> position; None takes the consumer away
    commits: Mapping[str, int | None] = field(default_factory=dict)
    #: may a commit move a consumer back?
    rewind: bool = False
    trim: bool = False
    made_from: str | None = None
    done: Future[int] = field(default_factory=Future)

    @property
    def nbytes(self) -> int:
        return sum(len(entry.payload) + _ENTRY_BYTES for entry in self.entries)

    @property
    def control(self) -> bool:
        return all(entry.kind in _CONTROL for entry in self.entries)


class SqliteLog:
    """A durable, bounded log of entries with rising positions that are never given twice.

    ``max_bytes`` bounds the entries kept (the file may be larger by its write-ahead log, 64 MB at most when quiet);
    ``max_age_ms`` their age against the newest entry's ``at_ms``. Both only let go of what every consumer has passed.
    ``read_only`` opens a log that another process may hold. Thread-safe.

    Raises on opening: InUse, NewerVersion, ForeignFile, DiskFull, LogBroken.
    """

    def __init__(
        self, path: Path | str, *, max_bytes: int = 8 << 30, max_age_ms: int = 30 * 86_400_000, read_only: bool = False
    ) -> None:
        self.path = Path(path)
        self._max_bytes = max_bytes
        self._max_age_ms = max_age_ms
        self._read_only = read_only
        self._lock: FileLock | None = None
        self._writer: sqlite3.Connection | None = None
        self._readers: list[sqlite3.Connection] = []
        self._state = threading.Condition()
        self._jobs: deque[_Job] = deque()
        self._queued_bytes = 0
        self._closing = False
        self._wakes = 0
        self._broken: LogError | None = None
        #: how often something was refused because the log was full: consumers that could let go may look at it
        self.refusals = 0
        self._listeners: list[Callable[[int], None]] = []
        self._thread: threading.Thread | None = None
        if read_only:
            self._open_to_read()
        else:
            self._open_to_write()

    def _open_to_read(self) -> None:
        if not self.path.is_file():
            raise LogBroken(f"{self.path} is not there")
        try:
            with self._reader() as reader:
                check(reader, self.path)
                self._load(reader)
        except (sqlite3.Error, OSError) as error:
            raise named(error, self.path) from error

    def _open_to_write(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(self.path.with_name(self.path.name + ".lock"))
            self._writer = connect(self.path, writes=True)
            prepare(self._writer, self.path)
            self._load(self._writer)
        except (sqlite3.Error, OSError, LogError) as error:
            self._release()
            raise named(error, self.path) from error
        self._thread = threading.Thread(target=self._write, name=f"log-{self.path.stem}", daemon=True)
        self._thread.start()

    def _load(self, connection: sqlite3.Connection) -> None:
        meta = dict(connection.execute("SELECT name, value FROM meta").fetchall())
        self.identity: str = meta["identity"]
        self._made_from: str | None = meta.get("made_from")
        self._newest: int = meta["newest"]
        self._consumers: dict[str, int] = dict(connection.execute("SELECT name, pos FROM consumers").fetchall())
        self._marks: dict[str, int] = dict(connection.execute("SELECT name, value FROM marks").fetchall())
        row = connection.execute("SELECT pos - count + 1 FROM entries ORDER BY pos LIMIT 1").fetchone()
        self._oldest: int = row[0] if row else self._newest + 1
        row = connection.execute("SELECT at_ms FROM entries ORDER BY pos DESC LIMIT 1").fetchone()
        self._newest_at_ms: int = row[0] if row else 0
        self._age_checked_ms = 0
        self._used_bytes = _used_bytes(connection)

    # --- what is there

    @property
    def newest(self) -> int:
        """The greatest position ever given, 0 in a new log."""
        if self._read_only:
            with self._reader() as reader:
                return int(reader.execute("SELECT value FROM meta WHERE name = 'newest'").fetchone()[0])
        return self._newest

    @property
    def oldest(self) -> int:
        """The least position that is kept; ``newest + 1`` where nothing is."""
        if self._read_only:
            with self._reader() as reader:
                self._load(reader)
        return self._oldest

    @property
    def newest_at_ms(self) -> int:
        """``at_ms`` of the newest entry, 0 where there is none."""
        return self._newest_at_ms

    @property
    def used_bytes(self) -> int:
        return self._used_bytes

    @property
    def max_bytes(self) -> int:
        return self._max_bytes

    @property
    def broken(self) -> LogError | None:
        """Why nothing can be written any more; None while all is well."""
        return self._broken

    # --- writing

    def append(self, entries: Sequence[NewEntry], *, marks: Mapping[str, int] | None = None) -> int:
        """Appends all or none; the last one's position, when they are on the disk. ``marks`` are set in the same transaction.

        Raises LogFull, DiskFull (try again later), LogBroken, LogClosed.
        """
        with self._state:
            while self._queued_bytes > _QUEUE_BYTES and not self._closing and self._broken is None:
                self._state.wait(1.0)
        return self.submit(entries, marks=marks).result()

    def submit(self, entries: Sequence[NewEntry], *, marks: Mapping[str, int] | None = None) -> Future[int]:
        """As :meth:`append`, without waiting: never blocks, so the caller bounds what it has under way.

        Futures are done in the order of the calls, and their callbacks run in that order (in the writing thread). With no
        entries it is a barrier: done when all that was queued before it is done.
        """
        return self._submit(_Job(entries=entries, marks=marks or {}))

    def _submit(self, job: _Job) -> Future[int]:
        assert not self._read_only, "opened to read"
        assert all(entry.count >= 1 for entry in job.entries), "an entry takes at least one position"
        with self._state:
            if self._broken is not None:
                raise self._broken
            if self._closing:
                raise LogClosed(f"{self.path} is closed")
            self._jobs.append(job)
            self._queued_bytes += job.nbytes
            self._state.notify_all()
        return job.done

    def check_room(self, nbytes: int) -> None:
        """LogFull at once where ``nbytes`` more would not fit: asked before work is put into an append."""
        if self._used_bytes + nbytes > self._max_bytes and self._floor() < self._oldest:
            raise self._full(nbytes)

    # --- marks and origin

    def mark(self, name: str) -> int | None:
        """The value that the last append with this mark set; None before."""
        return self._marks.get(name)

    def follow(self, other: SqliteLog) -> None:
        """Says that this log is made from ``other``; LogMismatch where it was made from another one."""
        if self._made_from is None:
            self._submit(_Job(made_from=other.identity)).result()
        elif self._made_from != other.identity:
            raise LogMismatch(
                f"{self.path} was not made from {other.path}: the files of one data directory belong together, "
                "restore them from one backup"
            )

    # --- reading

    def read(self, after: int, max_events: int = 20_000, max_bytes: int = 32 << 20) -> list[Entry]:
        """Entries after a position, in order: at least one where there is any, then up to the bounds (positions, payload bytes).

        ``after`` inside an entry gives the whole of it. LogBroken, LogClosed.
        """
        entries: list[Entry] = []
        events = nbytes = 0
        try:
            with self._reader() as reader:
                rows = reader.execute(
                    "SELECT pos, count, kind, at_ms, payload FROM entries WHERE pos > ? ORDER BY pos LIMIT ?",
                    (after, max_events),
                )
                for row in rows:
                    entry = Entry(*row)
                    events += entry.count
                    nbytes += len(entry.payload)
                    if entries and (events > max_events or nbytes > max_bytes):
                        break
                    entries.append(entry)
                rows.close()  # an unfinished query would hold its connection in the past
        except sqlite3.Error as error:
            raise named(error, self.path) from error
        return entries

    def newest_rules(self) -> Entry | None:
        """The newest rule-set activation that is kept; None where there is none."""
        with self._reader() as reader:
            row = reader.execute(
                "SELECT pos, count, kind, at_ms, payload FROM entries WHERE kind = 'rules' ORDER BY pos DESC LIMIT 1"
            ).fetchone()
        return Entry(*row) if row else None

    def position_at(self, at_ms: int) -> int:
        """A position before which (all but) everything was received before ``at_ms``: where to begin reading from then on.

        Receipts rise with positions except where the wall clock was put back; entries around such a step may be misjudged.
        """
        low, high = self.oldest - 1, self.newest
        with self._reader() as reader:
            while low < high:
                middle = (low + high) // 2
                row = reader.execute(
                    "SELECT pos, at_ms FROM entries WHERE pos > ? ORDER BY pos LIMIT 1", (middle,)
                ).fetchone()
                if row is not None and row[1] < at_ms:
                    low = row[0]
                else:
                    high = middle
        return low

    def wait(self, after: int, timeout_s: float) -> bool:
        """Waits until there is something after ``after``; False on time-out, on :meth:`wake`, or when the log closes."""
        if self._read_only:
            return self._poll(after, timeout_s)
        with self._state:
            wakes = self._wakes
            self._state.wait_for(lambda: self._newest > after or self._closing or self._wakes != wakes, timeout_s)
            return self._newest > after

    def wake(self) -> None:
        """Ends all waits, so that a reader that is to stop need not sleep its time out."""
        with self._state:
            self._wakes += 1
            self._state.notify_all()

    def _poll(self, after: int, timeout_s: float) -> bool:
        deadline = time.monotonic() + timeout_s
        while self.newest <= after:
            if self._closing or time.monotonic() >= deadline:
                return False
            time.sleep(_POLL_S)
        return True

    def listen(self, callback: Callable[[int], None]) -> Callable[[], None]:
        """Calls ``callback(newest)`` after each commit, in the writing thread: it must be quick. Returns the way to stop it."""
        with self._state:
            self._listeners = [*self._listeners, callback]

        def stop() -> None:
            with self._state:
                self._listeners = [other for other in self._listeners if other is not callback]

        return stop

    @contextmanager
    def _reader(self) -> Iterator[sqlite3.Connection]:
        with self._state:
            if self._closing:
                raise LogClosed(f"{self.path} is closed")
            reader = self._readers.pop() if self._readers else None
        reader = reader or connect(self.path, writes=False)
        try:
            yield reader
        except BaseException:
            reader.close()
            raise
        with self._state:
            if len(self._readers) < _IDLE_READERS and not self._closing:
                self._readers.append(reader)
                return
        reader.close()

    # --- consumers

    def register(self, name: str, at: int = 0) -> int:
        """Makes a consumer known, standing at ``at``, if it is not; where it stands. From then on nothing after it is trimmed."""
        known = self._consumers.get(name)
        if known is not None:
            return known
        self._submit(_Job(commits={name: at})).result()
        return self._consumers[name]

    def unregister(self, name: str) -> None:
        """Forgets a consumer that will not come back, so that it holds nothing any more."""
        self._submit(_Job(commits={name: None})).result()

    def commit(self, name: str, pos: int) -> None:
        """A registered consumer has dealt with everything up to ``pos``. On the disk when it returns. Never moves back."""
        assert name in self._consumers, f"{name} is not registered"
        assert 0 <= pos <= self._newest, f"{name} at {pos} of {self._newest}"
        self._submit(_Job(commits={name: pos})).result()

    def rewind(self, name: str, pos: int) -> None:
        """Moves a consumer back, to read again what is still kept."""
        assert name in self._consumers, f"{name} is not registered"
        self._submit(_Job(commits={name: pos}, rewind=True)).result()

    def committed(self, name: str) -> int:
        """Where a consumer stands; 0 for one not known."""
        return self.consumers().get(name, 0)

    def consumers(self) -> dict[str, int]:
        """Every consumer with the position it has dealt with."""
        if self._read_only:
            with self._reader() as reader:
                self._load(reader)
        return dict(self._consumers)

    def trim(self) -> None:
        """Lets go, now, of what is too old and what every consumer has passed. The writer does so by itself, too."""
        self._submit(_Job(trim=True)).result()

    # --- the writing thread

    def _write(self) -> None:
        while True:
            jobs = self._take()
            if jobs is None:
                return
            error = self._broken
            done: list[tuple[_Job, int | LogError]] = []
            if error is None:
                try:
                    done = self._transact(jobs)
                except Exception as raised:
                    error = self._fail(raised)
            if error is not None:
                done = [(job, error) for job in jobs]
            for job, outcome in done:
                if isinstance(outcome, LogError):
                    job.done.set_exception(outcome)
                else:
                    job.done.set_result(outcome)
            if error is None:
                for listener in self._listeners:
                    listener(self._newest)

    def _take(self) -> list[_Job] | None:
        with self._state:
            self._state.wait_for(lambda: self._jobs or self._closing)
            if not self._jobs:
                return None
            jobs: list[_Job] = []
            nbytes = 0
            while self._jobs and (not jobs or nbytes + self._jobs[0].nbytes <= _GROUP_BYTES):
                job = self._jobs.popleft()
                nbytes += job.nbytes
                jobs.append(job)
            self._queued_bytes -= nbytes
            self._state.notify_all()
            return jobs

    def _transact(self, jobs: list[_Job]) -> list[tuple[_Job, int | LogError]]:
        """One transaction for all jobs. A job that does not fit is left out whole and gets LogFull."""
        writer = self._writer
        assert writer is not None
        self._trim_by_age(writer, now=any(job.trim for job in jobs))
        self._make_room(writer, sum(job.nbytes for job in jobs))
        outcomes: list[tuple[_Job, int | LogError]] = []
        newest, newest_at_ms, used_bytes = self._newest, self._newest_at_ms, self._used_bytes
        consumers, marks, made_from = dict(self._consumers), dict(self._marks), self._made_from
        writer.execute("BEGIN IMMEDIATE")
        kept = writer.execute("SELECT value FROM meta WHERE name = 'newest'").fetchone()[0]
        if kept != newest:
            raise LogBroken(f"{self.path} was written by another process: only one may hold a data directory")
        for job in jobs:
            nbytes = job.nbytes
            bound = self._max_bytes * (1 + _RESERVE_PART) if job.control else self._max_bytes
            if job.entries and used_bytes + nbytes > bound:
                outcomes.append((job, self._full(nbytes)))
                continue
            rows = []
            for entry in job.entries:
                newest += entry.count
                newest_at_ms = max(newest_at_ms, entry.at_ms)
                rows.append((newest, entry.count, entry.kind, entry.at_ms, entry.payload))
            writer.executemany("INSERT INTO entries VALUES (?, ?, ?, ?, ?)", rows)
            used_bytes += nbytes
            for name, value in job.marks.items():
                writer.execute("INSERT OR REPLACE INTO marks VALUES (?, ?)", (name, value))
                marks[name] = value
            for name, pos in job.commits.items():
                if pos is None:
                    writer.execute("DELETE FROM consumers WHERE name = ?", (name,))
                    consumers.pop(name, None)
                elif job.rewind or name not in consumers or pos > consumers[name]:
                    writer.execute("INSERT OR REPLACE INTO consumers VALUES (?, ?)", (name, pos))
                    consumers[name] = pos
            if job.made_from is not None:
                writer.execute("INSERT OR REPLACE INTO meta VALUES ('made_from', ?)", (job.made_from,))
                made_from = job.made_from
            outcomes.append((job, newest))
        writer.execute("UPDATE meta SET value = ? WHERE name = 'newest'", (newest,))
        writer.execute("COMMIT")
        with self._state:
            self._newest, self._newest_at_ms = newest, newest_at_ms
            self._consumers, self._marks, self._made_from = consumers, marks, made_from
            self._used_bytes = _used_bytes(writer)
            self._state.notify_all()
        return outcomes

    def _fail(self, raised: Exception) -> LogError:
        """Undoes the transaction.

        What no later attempt can mend stops the log: after a failed write to the disk the system's cache and the disk may
        differ, and only a fresh start reads what is truly there.
        """
        error = named(raised, self.path)
        writer = self._writer
        assert writer is not None
        try:
            if writer.in_transaction:
                writer.execute("ROLLBACK")
        except sqlite3.Error as again:
            error = LogBroken(f"{self.path} cannot be written ({again}): check the disk, then start again")
        if isinstance(error, LogBroken):
            with self._state:
                self._broken = error
                self._state.notify_all()
        return error

    # --- letting go

    def _floor(self) -> int:
        """Nothing after this position may be trimmed."""
        return min(self._consumers.values(), default=self._newest)

    def _full(self, nbytes: int) -> LogFull:
        self.refusals += 1
        slowest = min(self._consumers.items(), key=lambda item: item[1], default=("none", 0))
        return LogFull(
            f"{self.path.name} is full ({self._used_bytes} of {self._max_bytes} bytes, {nbytes} more asked for); its slowest "
            f"consumer {slowest[0]!r} stands at {slowest[1]} of {self._newest}"
        )

    def _make_room(self, writer: sqlite3.Connection, nbytes: int) -> None:
        while self._used_bytes + nbytes > self._max_bytes:
            wanted = max(nbytes, int(self._max_bytes * _TRIM_PART))
            cut = freed = 0
            rows = writer.execute(
                "SELECT pos, length(payload) FROM entries WHERE pos <= ? ORDER BY pos LIMIT ?",
                (self._floor(), _TRIM_ENTRIES),
            )
            for pos, length in rows:
                cut, freed = pos, freed + length + _ENTRY_BYTES
                if freed >= wanted:
                    break
            rows.close()
            if not cut:
                return
            self._delete(writer, cut)

    def _trim_by_age(self, writer: sqlite3.Connection, *, now: bool) -> None:
        if not now and self._newest_at_ms - self._age_checked_ms < _AGE_CHECK_MS:
            return
        horizon_ms = self._newest_at_ms - self._max_age_ms
        while True:
            cut = expired = 0
            rows = writer.execute(
                "SELECT pos, at_ms FROM entries WHERE pos <= ? ORDER BY pos LIMIT ?", (self._floor(), _TRIM_ENTRIES)
            )
            for pos, at_ms in rows:
                if at_ms >= horizon_ms:
                    break
                cut, expired = pos, expired + 1
            rows.close()
            if cut:
                self._delete(writer, cut)
            if expired < _TRIM_ENTRIES:
                break
        self._age_checked_ms = self._newest_at_ms

    def _delete(self, writer: sqlite3.Connection, cut: int) -> None:
        assert cut <= self._floor(), (cut, self._floor())
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("DELETE FROM entries WHERE pos <= ?", (cut,))
        writer.execute("COMMIT")
        row = writer.execute("SELECT pos - count + 1 FROM entries ORDER BY pos LIMIT 1").fetchone()
        self._oldest = row[0] if row else self._newest + 1
        self._used_bytes = _used_bytes(writer)

    # --- the end

    def close(self) -> None:
        """Writes what is queued, then lets go of the file. May be called twice."""
        with self._state:
            self._closing = True
            self._state.notify_all()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
        self._release()

    def _release(self) -> None:
        with self._state:
            readers, self._readers = self._readers, []
        for reader in readers:
            reader.close()
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _used_bytes(connection: sqlite3.Connection) -> int:
    """Bytes of the pages in use: cheap at any size, as no row is looked at."""
    pages: int = connection.execute("PRAGMA page_count").fetchone()[0]
    free: int = connection.execute("PRAGMA freelist_count").fetchone()[0]
    size: int = connection.execute("PRAGMA page_size").fetchone()[0]
    return (pages - free) * size
