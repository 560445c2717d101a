"""The topic of the transitions as boards and sinks read it: transitions only, none twice, by their ``seq``.

One thread follows its end and keeps the newest in memory, from which nearly everybody is served. Who asks for more of the past has it
read from the broker.
"""

from __future__ import annotations

import logging
import threading
from bisect import bisect_right
from collections.abc import Callable
from typing import Self

from streams.cluster.address import Address
from streams.cluster.reader import PartitionReader
from streams.cluster.record import PartitionEntry, first_position, offset_of
from streams.cluster.repeats import Repeats
from streams.cluster.topology import TRANSITIONS
from streams.log.entry import Entry
from streams.log.errors import LogClosed, LogError

_log = logging.getLogger("fengsui.cluster")

#: Records before the place that is read from, which tell what was told before it.
_BEFORE = 5_000
_KEPT = 50_000
_AGAIN_S = 1.0
_WAIT_S = 0.5
_PASTS = 4


class _Past:
    """A reader of what is not in memory any more, with what it knows of repeats."""

    def __init__(self, address: Address, after: int) -> None:
        self._reader = PartitionReader(address, address.topic(TRANSITIONS), 0)
        self._repeats = Repeats()
        self.at = max(after - _BEFORE, 0)
        while self.at < after:
            if not self.read(2_000, 32 << 20, until=after):
                self.at = after

    def read(self, max_events: int, max_bytes: int, *, until: int | None = None) -> list[Entry]:
        """The next transitions, perhaps after more than one question to the broker; none at the end, or beyond ``until``."""
        while read := self._reader.read(first_position(self.at) - 1, max_events, max_bytes):
            found = []
            for entry in read:
                offset = offset_of(entry.pos)
                if until is not None and offset >= until:
                    self.at = until
                    return []
                self.at = offset + 1
                if is_new(entry, self._repeats):
                    found.append(as_transition(entry))
            if found:
                return found
        return []

    def close(self) -> None:
        self._reader.close()


class TransitionLog:
    """Thread-safe. :meth:`start` reads back a little and then follows; everything else waits for nobody but :meth:`wait`."""

    def __init__(self, address: Address, identity: str, *, kept: int = _KEPT) -> None:
        self.identity = f"{identity}-transitions"
        self._address = address
        self._kept = kept
        self._reader = PartitionReader(address, address.topic(TRANSITIONS), 0)
        self._repeats = Repeats()
        self._state = threading.Condition()
        self._entries: list[Entry] = []
        #: offset from which on everything is in memory
        self._since = 0
        self._newest = 0
        self._wakes = 0
        self._closed = False
        self._listeners: list[Callable[[PartitionEntry], object]] = []
        self._pasts: list[_Past] = []
        self._broken: LogError | None = None
        self._thread = threading.Thread(target=self._follow, name="transitions", daemon=True)

    # --- the end

    def start(self) -> Self:
        begin = max(offset_of(self._reader.oldest), self._reader.end - self._kept - _BEFORE)
        self._since = begin if begin == offset_of(self._reader.oldest) else begin + _BEFORE
        self._at = first_position(begin) - 1
        end = first_position(self._reader.end) - 1
        while self._at < end and self._take():
            pass
        self._thread.start()
        return self

    def _follow(self) -> None:
        while not self._closed:
            try:
                if not self._take():
                    self._reader.wait(self._at, _WAIT_S)
                self._broken = None
            except LogClosed:
                return
            except LogError as error:
                if self._broken is None:
                    _log.error("the transitions cannot be read now: %s", error)
                self._broken = error
                with self._state:
                    self._state.wait_for(lambda: self._closed, _AGAIN_S)

    def _take(self) -> bool:
        read = self._reader.read(self._at)
        if not read:
            return False
        fresh = [as_transition(entry) for entry in read if is_new(entry, self._repeats)]
        self._at = read[-1].pos
        with self._state:
            self._entries += [entry for entry in fresh if entry.pos > self._since]
            if len(self._entries) > 2 * self._kept:
                del self._entries[: len(self._entries) - self._kept]
                self._since = self._entries[0].pos - 1
            self._newest = max(self._newest, self._entries[-1].pos if self._entries else 0)
            listeners = list(self._listeners)
            self._state.notify_all()
        for listener in listeners:
            for entry in read:
                listener(entry)
        return True

    def listen(self, listener: Callable[[PartitionEntry], object]) -> None:
        """Calls it with every entry from now on, whatever its kind, in the following thread: it must be quick."""
        with self._state:
            self._listeners.append(listener)

    # --- what readers ask

    @property
    def newest(self) -> int:
        """The newest ``seq`` that is known here."""
        return self._newest

    @property
    def oldest(self) -> int:
        return offset_of(self._reader.oldest) + 1

    @property
    def repeats(self) -> int:
        """Transitions that were told again, and dropped."""
        return self._repeats.count

    @property
    def used_bytes(self) -> int:
        """Kafka bounds it."""
        return 0

    @property
    def max_bytes(self) -> int:
        return 1

    @property
    def broken(self) -> LogError | None:
        """Why it cannot be read now."""
        return self._broken

    def consumers(self) -> dict[str, int]:
        """They keep their own offsets."""
        return {}

    def register(self, name: str) -> int:
        """Where a named reader stands: before everything when it is new."""
        return self.committed(name)

    def committed(self, name: str) -> int:
        """The ``seq`` up to which a named reader has dealt with everything; 0 for a new one."""
        return offset_of(self._reader.committed(name) + 1)

    def commit(self, name: str, seq: int) -> None:
        self._reader.commit(name, first_position(seq - 1))

    def read(self, after: int, max_events: int = 20_000, max_bytes: int = 32 << 20) -> list[Entry]:
        """Transitions with ``seq`` > ``after``, up to the bounds; none at the end. LogError."""
        with self._state:
            if after >= self._since:
                start = bisect_right(self._entries, after, key=_seq)
                return _bounded(self._entries[start : start + max_events], max_bytes)
            past = next((one for one in self._pasts if one.at == after), None)
            if past is not None:
                self._pasts.remove(past)
        past = past or _Past(self._address, after)
        found = past.read(max_events, max_bytes)
        with self._state:
            self._pasts.append(past)
            given_up = self._pasts[:-_PASTS]
            self._pasts = self._pasts[-_PASTS:]
        for one in given_up:
            one.close()
        return found

    def wait(self, after: int, timeout_s: float) -> bool:
        """Until there is something after ``after``."""
        with self._state:
            wakes = self._wakes
            self._state.wait_for(lambda: self._newest > after or self._closed or self._wakes != wakes, timeout_s)
            return self._newest > after

    def wake(self) -> None:
        with self._state:
            self._wakes += 1
            self._state.notify_all()

    def close(self) -> None:
        """May be called twice."""
        with self._state:
            self._closed = True
            self._state.notify_all()
            pasts, self._pasts = self._pasts, []
        self._reader.close()
        if self._thread.is_alive():
            self._thread.join()
        for past in pasts:
            past.close()


def is_new(entry: PartitionEntry, repeats: Repeats) -> bool:
    """A transition that was not told before."""
    return entry.kind == "transition" and repeats.is_new(entry.origin, entry.ordinal)


def as_transition(entry: PartitionEntry) -> Entry:
    """With its ``seq`` for a position."""
    return Entry(offset_of(entry.pos) + 1, 1, entry.kind, entry.at_ms, entry.payload)


def _seq(entry: Entry) -> int:
    return entry.pos


def _bounded(entries: list[Entry], max_bytes: int) -> list[Entry]:
    nbytes = 0
    for number, entry in enumerate(entries):
        nbytes += len(entry.payload)
        if number and nbytes > max_bytes:
            return entries[:number]
    return entries
