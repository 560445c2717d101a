"""Plays the generated day into the door: first a stretch of the past at once, then at the speed asked for, at last live."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from fengsui.demo.clock import DemoClock
from fengsui.demo.clockwork import DAY_MIN, MINUTE_MS
from fengsui.demo.day import Day
from streams.log.errors import LogError

_log = logging.getLogger("fengsui.demo")

DAY_MS = DAY_MIN * MINUTE_MS
#: So much is there at once, so that the first alerts stand on the board within seconds.
_HEAD_START_MS = 3 * 3_600_000
#: No step is longer: within the catalogue's ``idle``, so that the clock's own ticks cannot make an event of the step late.
STEP_MS = 40_000
#: Ticks come only when the player has stopped for longer than a step.
TICK_MS = 50_000
_WAKE_S = 0.25


class Receipt(Protocol):
    @property
    def accepted(self) -> int: ...
    @property
    def duplicate(self) -> int: ...
    @property
    def rejected_count(self) -> int: ...


@dataclass(frozen=True)
class Plan:
    """``start_ms``: where the generated day begins; ``paced_ms``: up to there it is poured in at once; ``speed`` from there on."""

    start_ms: int
    paced_ms: int
    speed: float

    @staticmethod
    def make(wall_ms: int, speed: float, *, continue_ms: int | None = None) -> Plan:
        """A day that ends when it has caught up with the wall clock. ``continue_ms``: where an earlier run of it stopped."""
        paced_ms = wall_ms - int(DAY_MS * (1 - 1 / speed))
        start_ms = paced_ms - max(_HEAD_START_MS, DAY_MS - (wall_ms - paced_ms))
        if continue_ms is not None and continue_ms > start_ms:
            # The step that was under way when it stopped comes again; what was stored of it is a duplicate.
            return Plan(continue_ms - STEP_MS, max(paced_ms, continue_ms), speed)
        return Plan(start_ms, paced_ms, speed)


class Player(threading.Thread):
    """Posts what happens, step by step, and moves the demo's clock. ``monotonic_s`` is for the pace."""

    def __init__(
        self,
        day: Day,
        plan: Plan,
        clock: DemoClock,
        accept: Callable[[bytes], Receipt],
        *,
        monotonic_s: Callable[[], float],
    ) -> None:
        super().__init__(name="demo-player", daemon=True)
        self._day = day
        self._plan = plan
        self._clock = clock
        self._accept = accept
        self._monotonic_s = monotonic_s
        self._halt = threading.Event()
        self._lines: Iterator[tuple[int, bytes]] = iter(())
        #: read from the day, but not due yet
        self._next: tuple[int, bytes] | None = None
        self.counts: Counter[str] = Counter()
        self.error = ""

    def stop(self, timeout_s: float = 10.0) -> None:
        """Ends after the step in hand."""
        self._halt.set()
        if self.is_alive():
            self.join(timeout_s)

    def run(self) -> None:
        self._lines = self._day.lines(self._plan.start_ms)
        at_ms = self._plan.start_ms
        began_s: float | None = None
        while not self._halt.is_set():
            if at_ms < self._plan.paced_ms:
                target_ms = self._plan.paced_ms
            else:
                began_s = self._monotonic_s() if began_s is None else began_s
                elapsed_s = self._monotonic_s() - began_s
                target_ms = self._plan.paced_ms + int(elapsed_s * 1000 * self._plan.speed)
            at_ms = self._play(at_ms, target_ms)
            if at_ms >= self._plan.paced_ms:
                self._halt.wait(_WAKE_S)

    def _play(self, from_ms: int, to_ms: int) -> int:
        """Plays up to an instant, or to now where that is earlier; where it then stands."""
        at_ms = from_ms
        while at_ms < to_ms and not self._halt.is_set():
            now_ms = self._clock.move_to(min(to_ms, at_ms + STEP_MS))
            if now_ms <= at_ms:
                break
            at_ms = now_ms
            self._post(b"".join(line + b"\n" for line in self._until(at_ms)))
        return at_ms

    def _until(self, at_ms: int) -> Iterator[bytes]:
        while True:
            arrival_ms, line = self._next or next(self._lines)
            if arrival_ms > at_ms:
                self._next = (arrival_ms, line)
                return
            self._next = None
            yield line

    def _post(self, body: bytes) -> None:
        """Until the door takes it: what was stored of it before is a duplicate then, and does no harm."""
        while body and not self._halt.is_set():
            try:
                receipt = self._accept(body)
            except LogError as error:
                if not error.retryable:
                    self.error = str(error)
                    self._halt.set()
                    return
                _log.warning("the door is closed for now: %s", error)
                self._halt.wait(min(error.retry_after_s or 1.0, 5.0))
            else:
                self.counts["accepted"] += receipt.accepted
                self.counts["duplicate"] += receipt.duplicate
                self.counts["rejected"] += receipt.rejected_count
                return
