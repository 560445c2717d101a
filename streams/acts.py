"""People's acts on their way: who waits for the outcome of which."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from dataclasses import dataclass

from events.transition import Transition


@dataclass(frozen=True)
class Refused:
    """The engine's no to an act, with its reason."""

    reason: str


class EngineStopped(Exception):
    """The engine stopped on an error, or is shutting down: nothing is judged or carried out until it runs again."""


class ActPending(Exception):
    """The act is on the disk and will be carried out, but the engine has not come to it in time."""


Outcome = Transition | Refused


class PendingActs:
    """Acts that someone waits for. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[str, Future[Outcome]] = {}
        self._stopped: str | None = None

    def expect(self, act_id: str) -> Future[Outcome]:
        """Called before the act goes into the log. EngineStopped."""
        with self._lock:
            if self._stopped is not None:
                raise EngineStopped(self._stopped)
            future: Future[Outcome] = Future()
            self._waiting[act_id] = future
            return future

    def forget(self, act_id: str) -> None:
        with self._lock:
            self._waiting.pop(act_id, None)

    def settle(self, act_id: str | None, outcome: Outcome) -> None:
        """The outcome is on the disk; nobody need be waiting for it."""
        if act_id is None:
            return
        with self._lock:
            future = self._waiting.pop(act_id, None)
        if future is not None:
            future.set_result(outcome)

    def stop(self, why: str) -> None:
        """Tells everyone who waits, now and later, that nothing will come."""
        with self._lock:
            self._stopped = why
            waiting, self._waiting = self._waiting, {}
        for future in waiting.values():
            future.set_exception(EngineStopped(why))
