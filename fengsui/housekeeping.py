"""What must be done now and then while the system runs: old rows leave the store when their retention is over."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from sinks.store.errors import StoreError
from sinks.store.store import Store

_log = logging.getLogger("fengsui")

_EVERY_S = 3_600.0


class Housekeeping:
    """Sweeps the store once an hour, the first time an hour after the start: nobody waits for it."""

    def __init__(self, store: Store, clock: Callable[[], int], *, every_s: float = _EVERY_S) -> None:
        self._store = store
        self._clock = clock
        self._every_s = every_s
        self._halt = threading.Event()
        self._thread = threading.Thread(target=self._run, name="housekeeping", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._halt.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._halt.wait(self._every_s):
            try:
                deleted = self._store.sweep(self._clock())
            except StoreError as error:
                _log.warning("the store was not swept now: %s", error)
            else:
                for feed, rows in deleted.items():
                    _log.info("%d rows of feed %s left the store: their retention is over", rows, feed)
