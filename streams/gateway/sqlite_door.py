"""A gateway's door on one machine: an event log and a dead-letter log, and a memory that is had again from the former."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path

import numpy as np

from events.decode import Decoded
from events.event import Rejected
from streams.gateway.door import Bools
from streams.gateway.memory import Memory
from streams.log.entry import dead_entry, events_entry, rules_entry
from streams.log.sqlite import SqliteLog


class SqliteDoor:
    """``directory``: where the dedupe snapshots lie. The logs are their opener's to close, after the gateway."""

    def __init__(self, event_log: SqliteLog, dead_log: SqliteLog, directory: Path) -> None:
        self._event_log = event_log
        self._dead_log = dead_log
        self.memory = Memory(event_log, directory)

    @property
    def refusals(self) -> int:
        return self._event_log.refusals

    def check_room(self, nbytes: int) -> None:
        self._event_log.check_room(nbytes)

    def write(self, decoded: Decoded, fresh: Bools, at_ms: int) -> Future[int]:
        accepted = int(np.count_nonzero(fresh))
        if not accepted:
            return self.barrier()
        return self._event_log.submit([events_entry(decoded.raw_lines(fresh), count=accepted, at_ms=at_ms)])

    def barrier(self) -> Future[int]:
        return self._event_log.submit([])

    def bury(self, rejected: Sequence[Rejected], at_ms: int) -> Future[int]:
        entry = dead_entry(rejected, at_ms=at_ms)
        assert entry is not None
        return self._dead_log.submit([entry])

    def activate(self, bundle: Mapping[str, object], at_ms: int) -> int:
        return self._event_log.append([rules_entry(bundle, at_ms=at_ms)])
