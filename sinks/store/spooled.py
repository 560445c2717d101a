"""A table's sink that does not stand still while the store is down: it keeps what comes on the disk, and hands it on later."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from sinks.consumer import SinkState, Source
from sinks.store.errors import StoreError
from sinks.store.spool import Hole, Spool
from sinks.store.stretch import Stretch
from streams.log.entry import Entry

Write = Callable[[Sequence[Stretch]], int]

_FIRST_WAIT_S = 0.5
_MOST_WAIT_S = 30.0
#: One insert, when the store is back.
_MAX_EVENTS = 50_000
_MAX_BYTES = 32_000_000
_ERROR_CHARS = 400


@dataclass(frozen=True)
class SpoolState:
    """What a sink holds back. ``error``: why; ``since_ms``: the receipt of the oldest that is held; 0 and empty where nothing is."""

    used_bytes: int = 0
    max_bytes: int = 0
    batches: int = 0
    since_ms: int = 0
    damaged: int = 0
    error: str = ""


class Spooled:
    """Hands stretches to ``write``; while that raises what a retry can help, they go to the spool, in order, and from there to it.

    What :meth:`take` has returned from is in the store or on this disk: the log's offset may be committed. It raises SpoolFull when
    neither will have it. A stretch may go to ``write`` more than once, which the store knows to tell.
    """

    def __init__(self, write: Write, spool: Spool) -> None:
        self._write = write
        self._spool = spool
        self._taking = threading.Lock()
        self._error = ""
        self._halt = threading.Event()
        self._kept = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"spool-{spool.directory.name}", daemon=True)

    @property
    def state(self) -> SpoolState:
        spool = self._spool
        return SpoolState(spool.used_bytes, spool.max_bytes, spool.batches, spool.oldest_ms, spool.damaged, self._error)

    @property
    def holes(self) -> list[Hole]:
        """What has to be taken again from the log; see :meth:`fill`."""
        return list(self._spool.holes)

    def told(self, state: SinkState) -> SinkState:
        """The state of the thread that reads the log, with what is held back here: the store has had that much less."""
        held = self.state
        if not held.batches and not held.error:
            return state
        return replace(
            state,
            error=state.error or held.error,
            failing_since_ms=state.failing_since_ms or held.since_ms,
            spooled_bytes=held.used_bytes,
            spool_max_bytes=held.max_bytes,
        )

    def start(self) -> None:
        self._kept.set()
        self._thread.start()

    def stop(self) -> None:
        """Ends after the insert in hand; what is held stays on the disk for the next start."""
        with self._taking:
            self._halt.set()
            self._kept.set()
        if self._thread.is_alive():
            self._thread.join()

    def take(self, stretches: Sequence[Stretch]) -> None:
        with self._taking:
            if not self._spool.batches:
                try:
                    self._write(stretches)
                except StoreError as error:
                    if not error.retryable:
                        raise
                    self._error = _told(error)
                else:
                    self._error = ""
                    return
            self._spool.put(stretches)
            self._kept.set()

    def fill(self, hole: Hole, stretches: Sequence[Stretch]) -> None:
        """The log's entries for a hole; none where it has them no more."""
        if stretches:
            self.take(stretches)
        self._spool.filled(hole)

    def _run(self) -> None:
        wait_s = _FIRST_WAIT_S
        while self._kept.wait() and not self._halt.is_set():
            try:
                self._drain()
            except Exception as error:  # the store's outage, or the disk's; told in the heartbeat
                self._error = _told(error)
                asked_s = getattr(error, "retry_after_s", None) or 0.0
                self._halt.wait(min(_MOST_WAIT_S, max(wait_s, asked_s)))
                wait_s = min(_MOST_WAIT_S, wait_s * 2)
            else:
                wait_s = _FIRST_WAIT_S

    def _drain(self) -> None:
        """The oldest that are held, in one insert."""
        oldest = self._spool.oldest(_MAX_EVENTS, _MAX_BYTES)
        if oldest:
            self._write(_joined([stretch for _, stretch in oldest]))
            self._spool.drop([held for held, _ in oldest])
        with self._taking:  # what comes now sees an empty spool, or is in it
            if not self._spool.batches:
                self._error = ""
                if not self._halt.is_set():
                    self._kept.clear()


def in_one_partition(write: Write) -> Callable[[Sequence[Entry]], None]:
    """The handler of a log in one file, without a spool."""

    def handle(entries: Sequence[Entry]) -> None:
        write([Stretch(0, entries)])

    return handle


def over_log(spooled: Spooled, log: Source) -> Callable[[Sequence[Entry]], None]:
    """The handler of a log in one file, with a spool; what is damaged of that is read from the log again, now and later."""

    def handle(entries: Sequence[Entry]) -> None:
        for hole in spooled.holes:
            again = list(_between(log, hole.first, hole.last))
            spooled.fill(hole, [Stretch(0, again)] if again else [])
        if entries:
            spooled.take([Stretch(0, entries)])

    return handle


def _between(log: Source, first: int, last: int) -> Iterator[Entry]:
    """What a log still has of the positions from ``first`` to ``last``."""
    after = first - 1
    while after < last:
        entries = log.read(after, _MAX_EVENTS, _MAX_BYTES)
        if not entries:
            return
        yield from (entry for entry in entries if entry.first <= last)
        after = entries[-1].pos


def _joined(stretches: Sequence[Stretch]) -> list[Stretch]:
    """Stretches of one partition as one."""
    found: dict[int, list[Entry]] = {}
    for partition, entries in stretches:
        found.setdefault(partition, []).extend(entries)
    return [Stretch(partition, entries) for partition, entries in found.items()]


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:_ERROR_CHARS]
