"""Places in the list of alerts, under a name each (a rule, a subject): in the order of the list."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable

#: Negative rank, negative opening, id: reddest first, newest first within a colour.
Place = tuple[int, int, str]
_NONE: list[Place] = []


class Index:
    """A sorted list for each name that has any."""

    def __init__(self) -> None:
        self._places: dict[str, list[Place]] = {}

    def of(self, name: str) -> list[Place]:
        """Not to be changed."""
        return self._places.get(name, _NONE)

    def add(self, name: str, place: Place) -> None:
        insort(self._places.setdefault(name, []), place)

    def add_many(self, pairs: Iterable[tuple[str, Place]]) -> None:
        """Sorts once for each name, not once for each place."""
        touched = set()
        for name, place in pairs:
            self._places.setdefault(name, []).append(place)
            touched.add(name)
        for name in touched:
            self._places[name].sort()

    def drop(self, name: str, place: Place) -> None:
        places = self._places[name]
        remove(places, place)
        if not places:
            del self._places[name]


def remove(order: list[Place], place: Place) -> None:
    """Takes a place out of a sorted list that has it."""
    index = bisect_left(order, place)
    assert order[index] == place, f"{place} is not in the list"
    del order[index]
