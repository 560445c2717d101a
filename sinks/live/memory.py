"""The alerts as they now stand, in this process: what the board's lists and counters come from."""

from __future__ import annotations

import sys
import threading
from bisect import bisect_right, insort
from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import msgspec

from events.transition import RANK, Transition, decode, encode
from sinks.filters import UNRESOLVED, Facets, Filter, decode_cursor, facets
from sinks.live.index import Index, Place, remove
from sinks.live.protocol import MAX_GONE, MAX_RESOLVED, MAX_UNRESOLVED, Counts, Page, cursor_of


class _Row(msgspec.Struct, frozen=True, gc=False):
    """One alert: its facets, the place in the list (negative rank, negative opening, id), and its newest transition."""

    facets: Facets
    place: Place
    n: int
    body: bytes


@dataclass(frozen=True)
class Adopted:
    """What another live state holds, or what changed there: newest transitions, what was let go (alert -> n, in the order
    in which it was), the position of the log that it stands at, and how many unresolved alerts it let go in all.
    """

    changed: list[Transition]
    gone: Mapping[str, int]
    position: int
    let_go: int


class Live:
    """Current alerts, bounded: all unresolved ones (up to ``max_unresolved``) and the newest resolved ones.

    Fed with transitions in log order; a transition whose (alert, n) was seen is dropped. Any thread may ask at any time.
    """

    def __init__(self, *, max_unresolved: int = MAX_UNRESOLVED, max_resolved: int = MAX_RESOLVED) -> None:
        self._max_unresolved = max_unresolved
        self._max_resolved = max_resolved
        self._lock = threading.Lock()
        self._rows: dict[str, _Row] = {}
        self._order: list[Place] = []
        #: unresolved alerts in the order of the list, and resolved ones by the time of their resolution
        self._unresolved: list[Place] = []
        self._resolved: OrderedDict[str, None] = OrderedDict()
        self._rules = Index()
        self._subjects = Index()
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
                if transition.n <= self._seen(transition.alert):
                    continue
                self._put(transition, self._rows.get(transition.alert))
                fresh.append(transition)
        return fresh

    def adopt(self, state: Adopted) -> None:
        """Takes over what another live state made of the log since this one's position, and stands where that one stands.

        All at once for whoever asks. What was let go there is let go here, so that both hold the same.
        """
        with self._lock:
            newest = {one.alert: one for one in sorted(state.changed, key=lambda one: one.n)}
            for alert, n in state.gone.items():
                newest.pop(alert, None)
                row = self._rows.get(alert)
                if row:
                    self._drop(row)
                self._remember(alert, n)
            fresh = [one for one in newest.values() if one.n > self._seen(one.alert)]
            for one in fresh:
                row = self._rows.get(one.alert)
                if row:
                    self._drop(row)
            # The resolved leave in the order in which they were resolved.
            rows = [self._add(one) for one in sorted(fresh, key=lambda one: one.seq)]
            self._order += [row.place for row in rows]
            self._order.sort()
            self._rules.add_many((row.facets.rule, row.place) for row in rows)
            self._subjects.add_many((row.facets.subject, row.place) for row in rows)
            self._unresolved += [row.place for row in rows if row.facets.state in UNRESOLVED]
            self._unresolved.sort()
            self._newest_seq = max(self._newest_seq, state.position)
            self._let_go = state.let_go

    def contents(self) -> Adopted:
        """Everything, for another one to adopt."""
        with self._lock:
            bodies = [row.body for row in self._rows.values()]
            gone, position, let_go = dict(self._gone), self._newest_seq, self._let_go
        return Adopted([decode(body) for body in bodies], gone, position, let_go)

    def _seen(self, alert: str) -> int:
        row = self._rows.get(alert)
        return row.n if row else self._gone.get(alert, 0)

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
            order = self._order_for(wanted)
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

    def _order_for(self, wanted: Filter) -> list[Place]:
        """The shortest list that holds all that the filter admits, in the order of every list."""
        orders = [self._order]
        if wanted.state and wanted.state <= UNRESOLVED:
            orders.append(self._unresolved)
        if wanted.subject is not None:
            orders.append(self._subjects.of(wanted.subject))
        if wanted.rule is not None:
            orders.append(self._rules.of(wanted.rule))
        return min(orders, key=len)

    def _groups(self, wanted: Filter) -> list[tuple[Facets, int]]:
        """Alerts of one kind counted together where the filter cannot tell them apart, else one by one."""
        with self._lock:
            if (wanted.rule, wanted.subject, wanted.feed, wanted.from_ms, wanted.to_ms) == (None,) * 5:
                return list(self._counts.items())
            return [(self._rows[place[2]].facets, 1) for place in self._order_for(wanted)]

    def _put(self, transition: Transition, before: _Row | None) -> None:
        if before:
            self._drop(before)
        row = self._add(transition)
        insort(self._order, row.place)
        self._rules.add(row.facets.rule, row.place)
        self._subjects.add(row.facets.subject, row.place)
        if row.facets.state in UNRESOLVED:
            insort(self._unresolved, row.place)
        self._bound()

    def _add(self, transition: Transition) -> _Row:
        """All but the places in the lists."""
        self._gone.pop(transition.alert, None)
        made = _interned(facets(transition))
        row = _Row(made, (-RANK[made.severity], -made.opened_ms, made.alert), transition.n, encode(transition))
        self._rows[made.alert] = row
        self._counts[_group(made)] += 1
        if made.state in UNRESOLVED:
            self._by_rule[made.rule, made.condition] += 1
        else:
            self._resolved[made.alert] = None
        return row

    def _bound(self) -> None:
        while len(self._unresolved) > self._max_unresolved:
            self._forget(self._unresolved[-1][2])
            self._let_go += 1
        while len(self._resolved) > self._max_resolved:
            self._forget(next(iter(self._resolved)))

    def _drop(self, row: _Row) -> None:
        del self._rows[row.facets.alert]
        remove(self._order, row.place)
        self._rules.drop(row.facets.rule, row.place)
        self._subjects.drop(row.facets.subject, row.place)
        group = _group(row.facets)
        self._counts[group] -= 1
        if not self._counts[group]:
            del self._counts[group]
        if row.facets.state in UNRESOLVED:
            remove(self._unresolved, row.place)
            kind = row.facets.rule, row.facets.condition
            self._by_rule[kind] -= 1
            if not self._by_rule[kind]:
                del self._by_rule[kind]
        else:
            del self._resolved[row.facets.alert]

    def _forget(self, alert: str) -> None:
        row = self._rows[alert]
        self._drop(row)
        self._remember(alert, row.n)

    def _remember(self, alert: str, n: int) -> None:
        self._gone[alert] = n
        self._gone.move_to_end(alert)
        if len(self._gone) > MAX_GONE:
            self._gone.popitem(last=False)

    def __iter__(self) -> Iterator[Transition]:
        with self._lock:
            rows = [self._rows[place[2]] for place in self._order]
        return (decode(row.body) for row in rows)


def _group(one: Facets) -> Facets:
    """What is left of an alert's facets for the counters."""
    return msgspec.structs.replace(one, alert="", opened_ms=0, rule="", feed="", subject="")


def _interned(one: Facets) -> Facets:
    """The same few words stand in a hundred thousand rows: keep each once."""
    words = ("severity", "state", "condition", "domain", "rule", "feed", "region")
    return msgspec.structs.replace(one, **{name: sys.intern(getattr(one, name)) for name in words})
