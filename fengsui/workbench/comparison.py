"""What was expected beside what happened: pairs that fit, pairs that differ, and what stands alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from events.times import parse_instant
from events.transition import Transition
from fengsui.workbench.fixture import Expectation
from fengsui.workbench.wants import Want

#: Transitions that must all have been expected; updates only where a fixture expects some of the rule.
STRICT = frozenset({"opened", "escalated", "closed"})
_ABSENT = object()


@dataclass(frozen=True)
class Difference:
    """``name``: ``at``, ``severity``, ``key.subject``, ``measures.mean``. The wanted as written, and the value that was there."""

    name: str
    wanted: str
    got: object


@dataclass(frozen=True)
class Row:
    """``forbidden``: it happened, and never should have; ``expectation`` is then the one that says so."""

    kind: Literal["same", "differs", "missing", "unexpected", "forbidden"]
    at_ms: int | None
    expectation: Expectation | None = None
    transition: Transition | None = None
    differences: tuple[Difference, ...] = ()


def compare(expectations: Sequence[Expectation], happened: Sequence[Transition], *, last_ms: int) -> tuple[Row, ...]:
    """Rows in the order of time. Each expectation has at most one transition, and the other way round.

    Closings after ``last_ms`` may be expected, but need not.
    """
    wanted = [expectation for expectation in expectations if not expectation.never]
    told = {expectation.rule for expectation in wanted if expectation.type == "updated"}
    left = [t for t in happened if t.type in STRICT or (t.type == "updated" and t.rule in told)]
    pairs = _fitting(wanted, left)
    rows = [Row("same", parse_instant(left[j].at), wanted[i], left[j]) for i, j in pairs.items()]
    missing = [expectation for i, expectation in enumerate(wanted) if i not in pairs]
    used = set(pairs.values())
    spare = [transition for j, transition in enumerate(left) if j not in used]
    for expectation, transition, differences in _near(missing, spare):
        missing.remove(expectation)
        spare.remove(transition)
        rows.append(Row("differs", parse_instant(transition.at), expectation, transition, differences))
    rows += [Row("missing", e.moment.from_ms if e.moment else None, e) for e in missing]
    forbidden = _forbidden([e for e in expectations if e.never], happened)
    rows += [Row("forbidden", parse_instant(t.at), e, t) for e, t in forbidden]
    excused = {id(transition) for _, transition in forbidden}
    excused |= {id(t) for t in spare if t.type == "closed" and parse_instant(t.at) > last_ms}
    rows += [Row("unexpected", parse_instant(t.at), None, t) for t in spare if id(t) not in excused]
    return tuple(sorted(rows, key=lambda row: (row.at_ms is None, row.at_ms or 0)))


def differences(expectation: Expectation, transition: Transition) -> tuple[Difference, ...]:
    """All that was written of the expectation and is not so."""
    found: list[Difference] = []
    moment = expectation.moment
    if moment and not moment.from_ms <= parse_instant(transition.at) <= moment.to_ms:
        found.append(Difference("at", moment.text, parse_instant(transition.at)))
    for name, want in expectation.key:
        _look(f"key.{name}", want, transition.key.get(name), found)
    for name, want in expectation.fields:
        if name in ("summary", "title"):  # one text for both languages: it must be one of them
            texts = getattr(transition, name)
            if not any(want.fits(text) for text in texts.values()):
                found.append(Difference(name, want.text, texts.get("zh")))
        else:
            _look(name, want, _value(transition, name), found)
    return tuple(found)


def _look(name: str, want: Want, got: object, found: list[Difference]) -> None:
    if not want.fits(None if got is _ABSENT else got):
        found.append(Difference(name, want.text, None if got is _ABSENT else got))


def _value(transition: Transition, name: str) -> object:
    part, _, rest = name.partition(".")
    if part == "measures":
        return transition.measures.get(rest, _ABSENT)
    if part in ("summary", "title"):
        return getattr(transition, part).get(rest)
    return transition.evidence.events if part == "evidence" else getattr(transition, part)


def _alike(expectation: Expectation, transition: Transition) -> bool:
    """Of one rule and type, about the key that was written."""
    return (
        transition.rule == expectation.rule
        and expectation.type in ("", transition.type)
        and all(want.fits(transition.key.get(name)) for name, want in expectation.key)
    )


def _fitting(wanted: Sequence[Expectation], happened: Sequence[Transition]) -> dict[int, int]:
    """As many pairs without a difference as there can be (augmenting paths): one that fits much leaves what others need."""
    fits = [
        [j for j, transition in enumerate(happened) if _alike(e, transition) and not differences(e, transition)]
        for e in wanted
    ]
    owner: dict[int, int] = {}

    def place(i: int, tried: set[int]) -> bool:
        for j in fits[i]:
            if j in tried:
                continue
            tried.add(j)
            if j not in owner or place(owner[j], tried):
                owner[j] = i
                return True
        return False

    # the narrower first: they are placed without moving anyone
    for i in sorted(range(len(wanted)), key=lambda i: len(fits[i])):
        place(i, set())
    return {i: j for j, i in owner.items()}


def _near(
    missing: Sequence[Expectation], spare: Sequence[Transition]
) -> list[tuple[Expectation, Transition, tuple[Difference, ...]]]:
    """What was probably meant: pairs of one rule, type and key, those with the fewest differences and the nearest times first."""
    found = []
    for i, expectation in enumerate(missing):
        for j, transition in enumerate(spare):
            if _alike(expectation, transition):
                unlike = differences(expectation, transition)
                apart = abs(parse_instant(transition.at) - expectation.moment.from_ms) if expectation.moment else 0
                found.append((len(unlike), apart, i, j, unlike))
    pairs, rows, columns = [], set[int](), set[int]()
    for _, _, i, j, unlike in sorted(found, key=lambda entry: entry[:4]):
        if i not in rows and j not in columns:
            rows.add(i)
            columns.add(j)
            pairs.append((missing[i], spare[j], unlike))
    return pairs


def _forbidden(never: Sequence[Expectation], happened: Sequence[Transition]) -> list[tuple[Expectation, Transition]]:
    found = []
    for transition in happened:
        if transition.type not in (*STRICT, "updated"):
            continue
        for expectation in never:
            if _alike(expectation, transition) and not differences(expectation, transition):
                found.append((expectation, transition))
                break
    return found
