"""The live state at a start: from the store as far as it goes, then from the transition log."""

from __future__ import annotations

from typing import Protocol

from sinks.live.memory import MAX_RESOLVED, MAX_UNRESOLVED, Live
from sinks.store.errors import StoreError
from sinks.store.store import Store
from streams.log.entry import Entry, transition

_READ_ENTRIES = 20_000
_READ_BYTES = 32_000_000


class Journal(Protocol):
    """What is needed of the transition log."""

    @property
    def newest(self) -> int: ...
    def read(self, after: int, max_events: int, max_bytes: int) -> list[Entry]: ...


def fill(live: Live, journal: Journal, store: Store | None = None) -> int:
    """Brings an empty live state up to the log's end; returns the position to go on from.

    The log alone knows all since its oldest entry; an alert that has been open for longer stands only in the store, so that
    comes first. A store that cannot be asked is left out: the board then lacks such alerts until the next start.
    """
    if store is not None:
        try:
            for resolved, limit in ((True, MAX_RESOLVED), (False, MAX_UNRESOLVED)):
                live.apply(store.newest_alerts(resolved=resolved, limit=limit))
        except StoreError:
            # What came before the failure is right, and what the log holds is applied over it.
            pass
    position = 0
    while True:
        entries = journal.read(position, _READ_ENTRIES, _READ_BYTES)
        if not entries:
            return position
        live.apply(transition(entry) for entry in entries)
        position = entries[-1].pos
