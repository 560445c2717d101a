"""What every live state answers, wherever it is kept: the lists and counters of the board."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from events.transition import RANK, Transition
from sinks.filters import Facets, Filter, encode_cursor

MAX_UNRESOLVED = 100_000
MAX_RESOLVED = 20_000
#: Of alerts that were let go, so many are remembered by name, so that a repeated transition does not bring them back.
MAX_GONE = 100_000


@dataclass(frozen=True)
class Page:
    """Alerts, reddest first and newest first within a colour, and the cursor of what follows, or None at the end."""

    items: list[Transition]
    next: str | None = None


@dataclass(frozen=True)
class Counts:
    """How many alerts, by one side each; ``region`` by severity within a region, cut to the digits that were asked for
    (``""`` is none).
    """

    total: int = 0
    severity: dict[str, int] = field(default_factory=dict)
    state: dict[str, int] = field(default_factory=dict)
    condition: dict[str, int] = field(default_factory=dict)
    domain: dict[str, int] = field(default_factory=dict)
    region: dict[str, dict[str, int]] = field(default_factory=dict)


class LiveState(Protocol):
    """The alerts as they stand at one position of the transition log, never in between. Any thread may ask at any time."""

    @property
    def newest_seq(self) -> int:
        """The position of the transition log up to which they stand so."""

    @property
    def let_go(self) -> int:
        """Unresolved alerts that fell out because there were too many; they are still in the store."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Transition]:
        """All, in the order of the list."""

    def get(self, alert: str) -> Transition | None:
        """The alert's newest transition; None for one that is not here (ask the store)."""

    def alerts(self, wanted: Filter | None = ...) -> Page:
        """A page of alerts. FilterError for a cursor that this list did not give."""

    def counts(self, wanted: Filter | None = ..., *, region_digits: int = ...) -> Counts:
        """Counts over what the filter admits."""

    def by_rule(self) -> Mapping[str, Mapping[str, int]]:
        """Rule -> its alerts that nobody has resolved (``unresolved``), and those of them whose condition holds (``active``)."""


def cursor_of(last: Facets) -> str:
    """The cursor of the page after this alert, in the order of every list of alerts."""
    return encode_cursor("a", RANK[last.severity], last.opened_ms, last.alert)
