"""What would have opened against what did: each opening of either side in one of a few named relations to the other."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from fengsui.workbench.opening import Opening

#: same: at the same instant. moved: the same trouble, begun at another instant. added, gone: on one side only. split: would have
#: opened within an alert that stood anyway. merged: did open, within an alert that would have stood already.
Relation = Literal["same", "moved", "added", "gone", "split", "merged"]
RELATIONS: tuple[Relation, ...] = ("same", "moved", "added", "gone", "split", "merged")
WOULD: frozenset[Relation] = frozenset({"same", "moved", "added", "split"})
DID: frozenset[Relation] = frozenset({"same", "moved", "gone", "merged"})

_END_OF_TIME = 1 << 62


@dataclass(frozen=True)
class Pair:
    """One opening, or two that are about the same. At least one side is there."""

    relation: Relation
    would: Opening | None = None
    did: Opening | None = None

    @property
    def opening(self) -> Opening:
        """The side to show."""
        one = self.would or self.did
        assert one is not None
        return one

    @property
    def severity_changed(self) -> bool:
        """Both sides are there, and did not rise to the same."""
        return self.would is not None and self.did is not None and self.would.peak != self.did.peak


@dataclass(frozen=True)
class Counts:
    """Of some pairs, by relation; ``severity_changed`` counts among same and moved."""

    by_relation: Counter[Relation]
    severity_changed: int = 0

    @classmethod
    def of(cls, pairs: Iterable[Pair]) -> Counts:
        by_relation: Counter[Relation] = Counter()
        changed = 0
        for pair in pairs:
            by_relation[pair.relation] += 1
            changed += pair.severity_changed
        return cls(by_relation, changed)

    @property
    def would(self) -> int:
        return sum(count for relation, count in self.by_relation.items() if relation in WOULD)

    @property
    def did(self) -> int:
        return sum(count for relation, count in self.by_relation.items() if relation in DID)

    def __getitem__(self, relation: Relation) -> int:
        return self.by_relation[relation]


def compare(
    would: Iterable[Opening], did: Iterable[Opening], *, from_ms: int | None = None, single: bool = False
) -> list[Pair]:
    """The openings since ``from_ms`` of one rule, each in one pair, by time. Alerts that stood at ``from_ms`` count as standing.

    ``single``: every match opens an alert of its own (sequence, new), so that only the instant tells whether two are the same.
    """
    groups: dict[str, tuple[list[Opening], list[Opening]]] = defaultdict(lambda: ([], []))
    for side, openings in enumerate((would, did)):
        for one in openings:
            groups[one.key][side].append(one)
    since = -_END_OF_TIME if from_ms is None else from_ms
    pairs = [pair for ours, theirs in groups.values() for pair in _of_key(ours, theirs, since, single=single)]
    return sorted(pairs, key=lambda pair: (pair.opening.opened_ms, pair.opening.key))


def _of_key(would: list[Opening], did: list[Opening], since: int, *, single: bool) -> list[Pair]:
    pairs: list[Pair] = []
    there = {one.opened_ms: one for one in did}
    both = {one.opened_ms for one in would} & there.keys()
    pairs += [
        Pair("same", one, there[one.opened_ms]) for one in would if one.opened_ms in both and one.opened_ms >= since
    ]
    ours = [one for one in would if one.opened_ms >= since and one.opened_ms not in both]
    theirs = [one for one in did if one.opened_ms >= since and one.opened_ms not in both]
    if single:
        return [*pairs, *(Pair("added", would=one) for one in ours), *(Pair("gone", did=one) for one in theirs)]
    taken: set[int] = set()
    left: list[Opening] = []
    for one in ours:
        near = [other for other in _overlapping(one, theirs) if other.opened_ms not in taken]
        if near:
            other = min(near, key=lambda other, at=one.opened_ms: abs(other.opened_ms - at))  # type: ignore[misc]
            taken.add(other.opened_ms)
            pairs.append(Pair("moved", one, other))
        else:
            left.append(one)
    pairs += [Pair("split" if _overlapping(one, did) else "added", would=one) for one in left]
    rest = [one for one in theirs if one.opened_ms not in taken]
    pairs += [Pair("merged" if _overlapping(one, would) else "gone", did=one) for one in rest]
    return pairs


def _overlapping(one: Opening, others: Sequence[Opening]) -> list[Opening]:
    """Of alerts of one key, which follow each other, those that stood while this one did."""
    begin = bisect_right(others, one.opened_ms, key=_end)
    found = []
    for other in others[begin:]:
        if other.opened_ms >= _end(one):
            break
        found.append(other)
    return found


def _end(one: Opening) -> int:
    return _END_OF_TIME if one.closed_ms is None else max(one.closed_ms, one.opened_ms + 1)


def grouped(pairs: Iterable[Pair], name: Callable[[Opening], str]) -> dict[str, list[Pair]]:
    """Pairs by what ``name`` says of their opening, in order of first coming."""
    groups: dict[str, list[Pair]] = {}
    for pair in pairs:
        groups.setdefault(name(pair.opening), []).append(pair)
    return groups


def loudest(pairs: Iterable[Pair], limit: int = 10) -> list[tuple[Opening, Counts]]:
    """The keys with most openings, of the rule as changed first; each by its newest opening."""
    counted = [(group[-1].opening, Counts.of(group)) for group in grouped(pairs, lambda one: one.key).values()]
    counted.sort(key=lambda pair: (-pair[1].would, -pair[1].did, pair[0].key))
    return counted[:limit]
