"""What a step of an engine in a cluster gives: transitions that are numbered, and entries for other engines."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from events.transition import Transition
from rules.book import Outcome, is_unknown
from streams.cluster.passed import Refusal, encode_refusal
from streams.cluster.record import Stamped
from streams.log.entry import transition_entry


@dataclass
class Told:
    """In the order in which they must be appended. ``wide``: by partition; ``over``: for the topic of the transitions."""

    over: list[Stamped] = field(default_factory=list)
    wide: dict[int, list[Stamped]] = field(default_factory=dict)
    fates: dict[tuple[str, str, str], int] = field(default_factory=dict)
    transitions: list[Transition] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.over or self.wide)

    def count(self, fates: dict[tuple[str, str, str], int]) -> None:
        for name, count in fates.items():
            self.fates[name] = self.fates.get(name, 0) + count


class Teller:
    """Numbers the transitions of one engine: as it is deterministic, a number stands for the same one in every replay."""

    def __init__(self, origin: str, ordinal: int = 0) -> None:
        self.origin = origin
        #: of the newest transition
        self.ordinal = ordinal

    def tell(self, outcome: Outcome, told: Told, *, stamp: int, at_ms: int) -> None:
        """``at_ms``: the receipt of what caused them, as far as the log knows it: no clock is asked."""
        told.count(outcome.fates)
        for transition in outcome.transitions:
            self.ordinal += 1
            entry = transition_entry(transition, at_ms=at_ms)
            told.over.append(stamped("transition", entry.payload, stamp, at_ms, self.origin, self.ordinal))
            told.transitions.append(transition)
        told.over += refusals(outcome.refusals, stamp, at_ms, self.origin)


def refusals(refused: Iterable[tuple[str, str]], stamp: int, at_ms: int, origin: str) -> list[Stamped]:
    """Each (act, reason)."""
    said = [Refusal(act, reason, unknown=is_unknown(reason)) for act, reason in refused]
    return [stamped("refused", encode_refusal(one), stamp, at_ms, origin) for one in said]


def stamped(kind: str, payload: bytes, stamp: int, at_ms: int, origin: str, ordinal: int = 0) -> Stamped:
    """An entry of one position."""
    return Stamped(kind, 1, at_ms, payload, np.array([stamp], np.int64), origin, ordinal)  # type: ignore[arg-type]
