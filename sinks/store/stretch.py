"""A stretch of a log: what a sink was given in one go, by partition."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from streams.log.entry import Entry


class Stretch(NamedTuple):
    """Entries of one partition, in order. A log in one file is partition 0."""

    partition: int
    entries: Sequence[Entry]

    @property
    def first(self) -> int:
        return self.entries[0].first

    @property
    def last(self) -> int:
        return self.entries[-1].pos

    @property
    def places(self) -> int:
        """How many events, control records, transitions or refused lines are in it."""
        return sum(entry.count for entry in self.entries)
