"""What a board's process answers from: its own copy of the shared live state, which follows Redis, or the log without it.

Both lead to the same alerts: each is a transition log's alerts at a position, and a transition that was seen is dropped. So
the copy may change from one to the other at any moment. It follows Redis where Redis stands at least where the copy does,
and moves with the log; it reads the log itself where Redis is away, lost its data, or lags behind.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from events.transition import Transition
from sinks.filters import Filter
from sinks.live.errors import LiveError, LiveLost
from sinks.live.fill import READ_BYTES, READ_ENTRIES, Journal, fill, transitions_of
from sinks.live.outage import Outage
from sinks.live.protocol import Counts, Page
from sinks.live.redis import Changes, RedisLive
from sinks.live.wake import Wake
from sinks.store.store import Store
from streams.log.errors import LogClosed

_log = logging.getLogger("fengsui.live")

#: Where no word comes, Redis is looked at so often.
_POLL_S = 0.5
_LOG_POLL_S = 0.2
#: So long may Redis lag behind the log before the log is read instead.
_LAG_S = 1.0
_AFTER_FAULT_S = 1.0
_TRIES = 3

Source = Literal["redis", "log"]


@dataclass(frozen=True)
class MirrorState:
    """What is followed now; without Redis, why and since when (epoch ms)."""

    source: Source
    error: str = ""
    since_ms: int = 0


class Mirror(threading.Thread):
    """A :class:`sinks.live.protocol.LiveState`. :meth:`begin` fills it, then the thread keeps it up.

    ``clock`` gives epoch ms. ``store``: for what was trimmed from the log, where Redis cannot be had.
    """

    def __init__(
        self, shared: RedisLive, journal: Journal, store: Store | None = None, *, clock: Callable[[], int]
    ) -> None:
        super().__init__(name="live-mirror", daemon=True)
        self._shared = shared
        self._journal = journal
        self._store = store
        self._clock = clock
        self._live = shared.empty()
        #: of the log, up to which the copy stands
        self._position = 0
        #: the build in Redis that the copy began with; None where it began with the log
        self._build: str | None = None
        self._outage = Outage()
        self._wake = Wake(shared)
        #: the log's end when Redis had last come to its end before, and when that was
        self._target = 0
        self._target_at_s = 0.0
        self._halt = threading.Event()
        self._state = MirrorState("redis")

    # --- a live state

    @property
    def newest_seq(self) -> int:
        return self._position

    @property
    def let_go(self) -> int:
        return self._live.let_go

    def __len__(self) -> int:
        return len(self._live)

    def __iter__(self) -> Iterator[Transition]:
        return iter(self._live)

    def get(self, alert: str) -> Transition | None:
        return self._live.get(alert)

    def alerts(self, wanted: Filter | None = None) -> Page:
        return self._live.alerts(wanted)

    def counts(self, wanted: Filter | None = None, *, region_digits: int = 4) -> Counts:
        return self._live.counts(wanted, region_digits=region_digits)

    def by_rule(self) -> dict[str, dict[str, int]]:
        return self._live.by_rule()

    # --- keeping it up

    @property
    def state(self) -> MirrorState:
        return self._state

    def begin(self) -> None:
        """Fills the copy: from Redis in seconds, else from the store and the log. LogError."""
        self.turn()
        if self._build is None:
            self._from_the_beginning()
        elif self._position < self._journal.newest:
            self._read_log()

    def turn(self) -> None:
        """Looks at Redis, and at the log where that does not do. LogError."""
        if self._follow_redis():
            return
        self._read_log()

    def stop(self, timeout_s: float = 10.0) -> bool:
        """True when the thread ended within ``timeout_s``."""
        self._halt.set()
        if self.is_alive():
            self.join(timeout_s)
        return not self.is_alive()

    def run(self) -> None:
        while not self._halt.is_set():
            try:
                self.turn()
                self._wait()
            except LogClosed:
                break
            except Exception:
                _log.exception("the live state cannot be kept up; trying again in %s s", _AFTER_FAULT_S)
                self._halt.wait(_AFTER_FAULT_S)
        self._wake.close()

    def _wait(self) -> None:
        if self._state.source == "log":
            self._journal.wait(self._position, _LOG_POLL_S)
            return
        try:
            self._wake.wait(_POLL_S)
        except LiveError as error:
            self._failed(error)

    def _follow_redis(self) -> bool:
        """Takes over what Redis has; False where the log must be read."""
        if not self._outage.may_try():
            return False
        try:
            reached = self._take()
        except LiveError as error:
            self._failed(error)
            return False
        self._outage.over()
        if reached is None:
            self._follows("log", f"{self._shared.address} holds no state yet, or lost it: it is being built")
            return False
        if self._lags(reached):
            self._follows("log", f"{self._shared.address} is behind the log: at {reached} of {self._journal.newest}")
            return False
        self._follows("redis")
        return True

    def _take(self) -> int | None:
        """Where Redis stands, after the copy has been brought there (if it stood before); None where nothing can be had."""
        for _ in range(_TRIES):
            head = self._shared.head()
            if head is None or not head.intact:
                return None
            if head.position < self._position or (head.build == self._build and head.position == self._position):
                return head.position
            try:
                if head.build != self._build or not self._adopt(self._shared.changes(head.build, self._position)):
                    self._load()
            except LiveLost:
                continue  # another build was put in force in this moment
            return max(head.position, self._position)
        return None

    def _adopt(self, changes: Changes) -> bool:
        self._live.adopt(changes.state)
        if len(self._live) != changes.held:
            _log.warning("%s: %d of %d alerts: loading again", self._shared.address, len(self._live), changes.held)
            return False
        self._position = max(self._position, changes.state.position)
        return True

    def _load(self) -> None:
        loaded = self._shared.load()
        if loaded is not None and loaded.state.position >= self._position:
            self._swap(loaded)

    def _swap(self, loaded: Changes) -> None:
        live = self._shared.empty()
        live.adopt(loaded.state)
        self._live, self._position, self._build = live, loaded.state.position, loaded.build

    def _lags(self, reached: int) -> bool:
        """Has Redis not come to where the log was a while ago? A moving log is always a little ahead."""
        now_s = time.monotonic()
        if reached >= self._target:
            self._target, self._target_at_s = self._journal.newest, now_s
        return reached < self._target and now_s - self._target_at_s > _LAG_S

    def _read_log(self) -> None:
        if self._build is None and not self._position:
            self._from_the_beginning()
            return
        while True:
            if self._journal.oldest - 1 > self._position:
                self._from_the_beginning()
                return
            entries = self._journal.read(self._position, READ_ENTRIES, READ_BYTES)
            if not entries:
                return
            self._live.apply(transitions_of(entries))
            self._position = entries[-1].pos

    def _from_the_beginning(self) -> None:
        """From the store and the log; the copy before it serves until this one is whole."""
        live, oldest = self._shared.empty(), self._journal.oldest
        position = fill(live, self._journal, self._store if oldest > 1 else None)
        self._live, self._position, self._build = live, max(position, oldest - 1), None

    def _failed(self, error: LiveError) -> None:
        self._outage.failed(error)
        self._follows("log", str(error))

    def _follows(self, source: Source, error: str = "") -> None:
        before = self._state
        if source == "redis":
            self._state = MirrorState("redis")
        elif before.source == "log":
            self._state = MirrorState("log", error, before.since_ms)
        else:
            self._state = MirrorState("log", error, self._clock())
        if before.source != source:
            _log.warning("the board reads %s%s", "the log: " if error else source, error)
