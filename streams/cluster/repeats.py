"""Transitions that an engine appended again, after a crash or beside another worker that took its place."""

from __future__ import annotations

from typing import Any


class Repeats:
    """Tells them by their numbers: each engine's rise by one, and are the same in every replay.

    A reader that begins in the middle of the log takes the first number it meets for new.
    """

    def __init__(self) -> None:
        self._newest: dict[str, int] = {}
        #: dropped so far
        self.count = 0

    def is_new(self, origin: str, ordinal: int) -> bool:
        if ordinal <= self._newest.get(origin, 0):
            self.count += 1
            return False
        self._newest[origin] = ordinal
        return True

    def newest(self, origin: str) -> int:
        return self._newest.get(origin, 0)

    def state(self) -> list[list[Any]]:
        return [[origin, ordinal] for origin, ordinal in self._newest.items()]

    def load(self, state: list[list[Any]]) -> None:
        self._newest = dict(state)
