"""The alerts as they now stand, in this process: what the board's lists and counters come from."""

from __future__ import annotations

import sys
import threading
from bisect import bisect_left, bisect_right, insort
from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import msgspec

from events.transition import RANK, Transition, decode, encode
from sinks.filters import UNRESOLVED, Facets, Filter, decode_cursor, encode_cursor, facets

MAX_UNRESOLVED = 100_000
MAX_RESOLVED = 20_000
#: Of alerts that were let go, so many are remembered by name, so that a repeated transition does not bring them back.
MAX_GONE = 100_000

_Place = tuple[int, int, str]


class _Row(msgspec.Struct, frozen=True, gc=False):
    """One alert: its facets, the place in the list (negative rank, negative opening, id), and its newest transition."""

    facets: Facets
    place: _Place
    n: int
    body: bytes


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


class Live:
    """Current alerts, bounded: all unresolved ones (up to ``max_unresolved``) and the newest resolved ones.

    Fed with transitions in log order; a transition whose (alert, n) was seen is dropped. Any thread may ask at any time.
    """

    def __init__(self, *, max_unresolved: int = MAX_UNRESOLVED, max_resolved: int = MAX_RESOLVED) -> None:
        self._max_unresolved = max_unresolved
        self._max_resolved = max_resolved
        self._lock = threading.Lock()
        self._rows: dict[str, _Row] = {}
        self._order: list[_Place] = []
        #: unresolved alerts in the order of the list, and resolved ones by the time of their resolution
        self._unresolved: list[_Place] = []
        self._resolved: OrderedDict[str, None] = OrderedDict()
        self._gone: OrderedDict[str, int] = OrderedDict()
        self._counts: Counter[Facets] = Counter()
        #: (rule, condition) -> unresolved alerts
        self._by_rule: Counter[tuple[str, str]] = Counter()
        self._newest_seq = 0
        self._let_go = 0

    @property
    def newest_seq(self) -> int:
        """The greatest seq that was applied."""
        return self._newest_seq

    @property
    def let_go(self) -> int:
        """Unresolved alerts that fell out because there were too many; they are still in the store."""
        return self._let_go

    def __len__(self) -> int:
        return len(self._rows)

    def apply(self, transitions: Iterable[Transition]) -> list[Transition]:
        """Takes the transitions in, in order; returns those that were new (not a repeated (alert, n))."""
        fresh = []
        with self._lock:
            for transition in transitions:
                self._newest_seq = max(self._newest_seq, transition.seq)
                row = self._rows.get(transition.alert)
                seen = row.n if row else self._gone.get(transition.alert, 0)
                if transition.n <= seen:
                    continue
                self._put(transition, row)
                fresh.append(transition)
        return fresh

    def get(self, alert: str) -> Transition | None:
        """The alert's newest transition; None for one that is not here (ask the store)."""
        row = self._rows.get(alert)
        return decode(row.body) if row else None

    def alerts(self, wanted: Filter | None = None) -> Page:
        """A page of alerts. FilterError for a cursor that this list did not give."""
        wanted = wanted or Filter()
        rows: list[_Row] = []
        more = False
        with self._lock:
            order = self._unresolved if wanted.state and wanted.state <= UNRESOLVED else self._order
            start = 0
            if wanted.cursor:
                rank, opened_ms, alert = decode_cursor("a", wanted.cursor, int, int, str)
                start = bisect_right(order, (-int(rank), -int(opened_ms), str(alert)))
            for index in range(start, len(order)):
                row = self._rows[order[index][2]]
                if not wanted.admits(row.facets):
                    continue
                if len(rows) == wanted.limit:
                    more = True
                    break
                rows.append(row)
        return Page([decode(row.body) for row in rows], cursor_of(rows[-1].facets) if more else None)

    def counts(self, wanted: Filter | None = None, *, region_digits: int = 4) -> Counts:
        """Counts over what the filter admits."""
        wanted = wanted or Filter()
        sums: dict[str, Counter[str]] = {name: Counter() for name in ("severity", "state", "condition", "domain")}
        regions: dict[str, Counter[str]] = {}
        total = 0
        for one, count in self._groups(wanted):
            if not wanted.admits(one):
                continue
            total += count
            for name, found in sums.items():
                found[getattr(one, name)] += count
            regions.setdefault(one.region[:region_digits], Counter())[one.severity] += count
        return Counts(
            total=total,
            severity=dict(sums["severity"]),
            state=dict(sums["state"]),
            condition=dict(sums["condition"]),
            domain=dict(sums["domain"]),
            region={name: dict(found) for name, found in sorted(regions.items())},
        )

    def by_rule(self) -> dict[str, dict[str, int]]:
        """Rule -> its alerts that nobody has resolved (``unresolved``), and those of them whose condition holds (``active``)."""
        with self._lock:
            found = list(self._by_rule.items())
        sums: dict[str, dict[str, int]] = {}
        for (rule, condition), count in found:
            one = sums.setdefault(rule, {"unresolved": 0, "active": 0})
            one["unresolved"] += count
            one["active"] += count if condition == "active" else 0
        return sums

    def _groups(self, wanted: Filter) -> list[tuple[Facets, int]]:
        """Alerts of one kind counted together where the filter cannot tell them apart, else one by one."""
        with self._lock:
            if (wanted.rule, wanted.subject, wanted.feed, wanted.from_ms, wanted.to_ms) == (None,) * 5:
                return list(self._counts.items())
            return [(row.facets, 1) for row in self._rows.values()]

    def _put(self, transition: Transition, before: _Row | None) -> None:
        if before:
            self._drop(before)
        self._gone.pop(transition.alert, None)
        made = _interned(facets(transition))
        place = (-RANK[made.severity], -made.opened_ms, made.alert)
        row = _Row(made, place, transition.n, encode(transition))
        self._rows[made.alert] = row
        insort(self._order, place)
        self._counts[_group(made)] += 1
        if made.state in UNRESOLVED:
            insort(self._unresolved, place)
            self._by_rule[made.rule, made.condition] += 1
        else:
            self._resolved[made.alert] = None
        while len(self._unresolved) > self._max_unresolved:
            self._forget(self._unresolved[-1][2])
            self._let_go += 1
        while len(self._resolved) > self._max_resolved:
            self._forget(next(iter(self._resolved)))

    def _drop(self, row: _Row) -> None:
        del self._rows[row.facets.alert]
        _remove(self._order, row.place)
        group = _group(row.facets)
        self._counts[group] -= 1
        if not self._counts[group]:
            del self._counts[group]
        if row.facets.state in UNRESOLVED:
            _remove(self._unresolved, row.place)
            kind = row.facets.rule, row.facets.condition
            self._by_rule[kind] -= 1
            if not self._by_rule[kind]:
                del self._by_rule[kind]
        else:
            del self._resolved[row.facets.alert]

    def _forget(self, alert: str) -> None:
        row = self._rows[alert]
        self._drop(row)
        self._gone[alert] = row.n
        if len(self._gone) > MAX_GONE:
            self._gone.popitem(last=False)

    def __iter__(self) -> Iterator[Transition]:
        with self._lock:
            rows = [self._rows[place[2]] for place in self._order]
        return (decode(row.body) for row in rows)


def cursor_of(last: Facets) -> str:
    """The cursor of the page after this alert, in the order of every list of alerts."""
    return encode_cursor("a", RANK[last.severity], last.opened_ms, last.alert)


def _group(one: Facets) -> Facets:
    """What is left of an alert's facets for the counters."""
    return msgspec.structs.replace(one, alert="", opened_ms=0, rule="", feed="", subject="")


def _interned(one: Facets) -> Facets:
    """The same few words stand in a hundred thousand rows: keep each once."""
    words = ("severity", "state", "condition", "domain", "rule", "feed", "region")
    return msgspec.structs.replace(one, **{name: sys.intern(getattr(one, name)) for name in words})


def _remove(order: list[_Place], place: _Place) -> None:
    index = bisect_left(order, place)
    assert order[index] == place, f"{place} is not in the list"
    del order[index]
