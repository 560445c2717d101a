"""When to try a service again that failed: at once, then after 0.5 s, then twice as long each time, to a bound."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

_FIRST_WAIT_S = 0.5
_MOST_WAIT_S = 10.0


class Outage:
    """What is known of one service. ``monotonic_s`` is any clock that only rises. Thread-safe."""

    def __init__(self, *, most_wait_s: float = _MOST_WAIT_S, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._most_wait_s = most_wait_s
        self._monotonic_s = monotonic_s
        self._lock = threading.Lock()
        self._wait_s = 0.0
        self._again_s = 0.0
        self.error = ""

    @property
    def on(self) -> bool:
        """The last try failed."""
        return bool(self.error)

    def may_try(self) -> bool:
        """True where it works, or where it is time to try again; then nobody else tries until the wait is over once more."""
        with self._lock:
            now_s = self._monotonic_s()
            if self.error and now_s < self._again_s:
                return False
            if self.error:
                self._again_s = now_s + self._wait_s
            return True

    def failed(self, error: Exception) -> None:
        with self._lock:
            self.error = str(error) or type(error).__name__
            self._wait_s = min(self._most_wait_s, max(_FIRST_WAIT_S, self._wait_s * 2))
            self._again_s = self._monotonic_s() + self._wait_s

    def over(self) -> None:
        with self._lock:
            self.error, self._wait_s, self._again_s = "", 0.0, 0.0
