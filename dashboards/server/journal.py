"""The transition log as the alert stream reads it: transitions, each with its seq."""

from __future__ import annotations

from dataclasses import dataclass

from dashboards.server.services import Log
from events.transition import Transition
from streams.log.entry import transition

_READ_BYTES = 16_000_000


@dataclass(frozen=True)
class Journal:
    log: Log

    @property
    def newest(self) -> int:
        return self.log.newest

    def read(self, after: int, limit: int) -> list[Transition]:
        """Transitions with seq > after, in order: at least one where there is any, about ``limit`` at most."""
        return [transition(entry) for entry in self.log.read(after, limit, _READ_BYTES)]

    def wait(self, after: int, timeout_s: float) -> None:
        self.log.wait(after, timeout_s)
