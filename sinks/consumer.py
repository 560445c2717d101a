"""A sink's thread: reads a log from its own offset, hands on what it read, commits, and backs off while the sink is down."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from streams.log.entry import Entry

_FIRST_WAIT_S = 0.5
_MOST_WAIT_S = 30.0
#: Between two looks at whether to stop.
_IDLE_WAIT_S = 0.2
#: Between two looks of a sink at what it wrote, while nothing comes.
_CHECK_EVERY_S = 1.0
_ERROR_CHARS = 400


class Source(Protocol):
    """What a sink needs of a log (:mod:`streams.log`)."""

    @property
    def newest(self) -> int: ...
    def read(self, after: int, max_events: int, max_bytes: int) -> Sequence[Entry]: ...
    def wait(self, after: int, timeout_s: float) -> bool: ...
    def register(self, name: str) -> int: ...
    def committed(self, name: str) -> int: ...
    def commit(self, name: str, pos: int) -> None: ...


@dataclass(frozen=True)
class SinkState:
    """How a sink fares, for the heartbeat. ``error`` is empty while all is well; times are epoch milliseconds, 0 is never."""

    name: str
    position: int = 0
    newest: int = 0
    handled: int = 0
    failures: int = 0
    error: str = ""
    failing_since_ms: int = 0
    last_success_ms: int = 0
    running: bool = False
    #: handled, but held back on the disk while what it is for is away
    spooled_bytes: int = 0
    spool_max_bytes: int = 0

    @property
    def lag(self) -> int:
        """Positions that stand in the log and are not yet handled."""
        return max(0, self.newest - self.position)


class SinkThread(threading.Thread):
    """Reads ``log`` as ``name`` and calls ``handle`` with each stretch of entries, in order, each at least once.

    ``handle`` must take repeats: after a crash it sees again what it had handled since the last commit. When it raises,
    the same stretch comes again after 0.5 s, then twice as long each time up to ``most_wait_s`` (or what the error's ``retry_after_s``
    says); nothing is skipped. ``linger_s`` lets a stretch gather before it is read, for sinks that like few large batches.
    ``check`` is called about once a second while there is nothing to read, and fails as ``handle`` does: for a sink whose
    other side may lose what it was given. ``start_at``: begin after this position and commit nothing, for a sink that is rebuilt at each start.
    """

    def __init__(
        self,
        name: str,
        log: Source,
        handle: Callable[[list[Entry]], None],
        *,
        clock: Callable[[], int],
        max_events: int = 20_000,
        max_bytes: int = 32_000_000,
        linger_s: float = 0.0,
        start_at: int | None = None,
        check: Callable[[], None] | None = None,
        most_wait_s: float = _MOST_WAIT_S,
    ) -> None:
        super().__init__(name=f"sink-{name}", daemon=True)
        self._sink = name
        self._log = log
        self._handle = handle
        self._clock = clock
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._linger_s = linger_s
        self._check = check
        self._most_wait_s = most_wait_s
        self._check_at_s = 0.0
        self._durable = start_at is None
        self._halt = threading.Event()
        self._moved = threading.Condition()
        position = start_at
        if position is None:
            log.register(name)
            position = log.committed(name)
        self._state = SinkState(name=name, position=position, newest=max(position, log.newest))

    @property
    def state(self) -> SinkState:
        """How the sink stands now."""
        return replace(
            self._state,
            newest=max(self._state.position, self._log.newest),
            running=self.is_alive() and not self._halt.is_set(),
        )

    def stop(self, timeout_s: float = 10.0) -> bool:
        """Asks the thread to end after the stretch in hand; True when it did within ``timeout_s``."""
        self._halt.set()
        if self.is_alive():
            self.join(timeout_s)
        return not self.is_alive()

    def wait_for(self, position: int, timeout_s: float) -> bool:
        """Waits until everything up to ``position`` is handled; False when that took too long or the thread ended."""
        with self._moved:
            return self._moved.wait_for(lambda: self._state.position >= position, timeout_s)

    def run(self) -> None:
        wait_s = _FIRST_WAIT_S
        while not self._halt.is_set():
            try:
                self._step()
            except Exception as error:  # whatever a sink raises is its outage, told in the heartbeat
                self._failed(error)
                asked_s = getattr(error, "retry_after_s", None)
                self._halt.wait(min(self._most_wait_s, max(wait_s, asked_s or 0.0)))
                wait_s = min(self._most_wait_s, wait_s * 2)
            else:
                wait_s = _FIRST_WAIT_S

    def _step(self) -> None:
        position = self._state.position
        if self._log.newest <= position and not self._log.wait(position, _IDLE_WAIT_S):
            self._look()
            return
        if self._linger_s:
            self._halt.wait(self._linger_s)
        entries = list(self._log.read(position, self._max_events, self._max_bytes))
        if not entries:
            return
        self._handle(entries)
        last = entries[-1].pos
        if self._durable:
            self._log.commit(self._sink, last)
        with self._moved:
            self._state = replace(
                self._state,
                position=last,
                handled=self._state.handled + last - position,
                error="",
                failing_since_ms=0,
                last_success_ms=self._clock(),
            )
            self._moved.notify_all()

    def _look(self) -> None:
        """Is what was written still there?"""
        if self._check is None or time.monotonic() < self._check_at_s:
            return
        self._check()
        self._check_at_s = time.monotonic() + _CHECK_EVERY_S
        if self._state.error:
            self._state = replace(self._state, error="", failing_since_ms=0, last_success_ms=self._clock())

    def _failed(self, error: Exception) -> None:
        now_ms = self._clock()
        self._state = replace(
            self._state,
            failures=self._state.failures + 1,
            error=f"{type(error).__name__}: {error}"[:_ERROR_CHARS],
            failing_since_ms=self._state.failing_since_ms or now_ms,
        )
