"""The live state at a start: from the store as far as it goes, then from the transition log."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from events.transition import Transition
from sinks.live.memory import Live
from sinks.live.protocol import MAX_RESOLVED, MAX_UNRESOLVED
from sinks.store.errors import StoreError
from sinks.store.store import Store
from streams.log.entry import Entry, transition

READ_ENTRIES = 20_000
READ_BYTES = 32_000_000


class Journal(Protocol):
    """What is needed of the transition log: entries whose positions are their ``seq``, from 1. ``newest`` is that of now."""

    @property
    def newest(self) -> int: ...
    @property
    def oldest(self) -> int: ...
    def read(self, after: int, max_events: int, max_bytes: int) -> Sequence[Entry]: ...
    def wait(self, after: int, timeout_s: float) -> bool: ...


def fill(
    live: Live,
    journal: Journal,
    store: Store | None = None,
    *,
    strict: bool = False,
    tell: Callable[[int, int], None] | None = None,
) -> int:
    """Brings an empty live state up to the log's end; returns the position to go on from.

    The log alone knows all since its oldest entry; an alert that has been open for longer stands only in the store, so that
    comes first. A store that cannot be asked is left out: the board then lacks such alerts until the next start; with
    ``strict`` it is a StoreError instead. ``tell`` is given the position reached and the log's end.
    """
    if store is not None:
        try:
            for resolved, limit in ((True, MAX_RESOLVED), (False, MAX_UNRESOLVED)):
                live.apply(store.newest_alerts(resolved=resolved, limit=limit))
        except StoreError:
            if strict:
                raise
            # What came before the failure is right, and what the log holds is applied over it.
    position = 0
    while True:
        entries = journal.read(position, READ_ENTRIES, READ_BYTES)
        if not entries:
            return position
        live.apply(transitions_of(entries))
        position = entries[-1].pos
        if tell is not None:
            tell(position, max(position, journal.newest))


def transitions_of(entries: Iterable[Entry]) -> list[Transition]:
    """The transitions among entries of the transition log, each with its entry's position for ``seq``."""
    return [transition(entry) for entry in entries if entry.kind == "transition"]
