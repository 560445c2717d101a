"""Cases of a size that hypothesis would never draw: thousands of events, dozens of keys, a score of rules, from one seed.

What tables share, how panes grow, what is forgotten and what is compacted shows only there.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tests.expressions.sql import sql
from tests.expressions.trees import Tree, columns
from tests.expressions.values import measured
from tests.reference.rule import RefBaseline, RefRule, RefStep, RefWindow
from tests.strategies.case import Case
from tests.strategies.draft import Draft, condition
from tests.strategies.sets import files
from tests.strategies.world import BASE_MS, DAY_MS, FEEDS, SECOND_MS, VERBS, WATCH_MS, ZONE_MS, ref_feeds

_SOME: Tree = ("textcmp", "=", ("col", "type"), ("text", "opened"))
COUNT: Tree = ("agg", "count", None)


def crowd(seed: int, *, large: bool = False, late: bool = False) -> Case:
    """The same for the same seed, on any machine; ``large``: with thousands of events and a score of rules; ``late``: hundreds of events,
    many of which come long after their time, and rules that see them all the same.
    """
    rng = random.Random(seed)
    unit = rng.choice([SECOND_MS, SECOND_MS, WATCH_MS])
    rules = 20 if large else rng.randint(2, 6)
    first = [_rule(rng, unit, index, late=late) for index in range(rules)]
    sets = [first]
    if rng.random() < 0.4:
        kept = [_changed(rng, draft) for draft in first if rng.random() < 0.8]
        sets.append([*kept, _rule(rng, unit, rules, late=late)])
    events = rng.randint(1000, 2000) if large else rng.randint(300, 600) if late else rng.randint(30, 150)
    ops = _ops(rng, unit, events, len(sets), LAGS_OF_LATE if late else LAGS)
    none: tuple[dict[str, str], dict[str, Any]] = ({}, {})
    return Case(ref_feeds(unit), [files(one, unit, none) for one in sets], ops)


def _number(feed: str) -> Tree:
    """What rules over this feed measure: 0 to 10."""
    return ("col", "x") if feed != "alert" else ("op", "+", ("col", "rank"), ("lit", 4))


# --- rules ------------------------------------------------------------------------------------------------------------


def _rule(rng: random.Random, unit: int, index: int, *, late: bool) -> Draft:
    feed = "alert" if index > 1 and rng.random() < 0.2 else rng.choice(list(FEEDS))
    # Few of each, so that rules share masks, keys and windows.
    where = rng.choice(
        [
            None,
            None,
            None,
            ("cmp", ">", _number(feed), ("lit", 2)),
            _SOME if feed == "alert" else ("textcmp", "=", ("col", "tag"), ("text", "a")),
        ]
    )
    by = rng.choice([None, None, None, ["subject", "rule" if feed == "alert" else "tag"], ["region"], ["source"]])
    draft = rng.choice(KINDS_OF_LATE if late else KINDS)(rng, unit, feed)
    head: dict[str, Any] = {
        "id": f"r.{draft.rule.kind}-{index}",
        "title": {"zh": "试验", "en": "A test"},
        "domain": "testing",
    }
    draft = Draft(head | draft.spec, replace(draft.rule, id=head["id"]))
    if by and draft.rule.kind != "sequence" and not set(by) & set(draft.rule.new):
        draft = draft.having({"by": by}, by=tuple(by))
    if where and draft.rule.kind != "sequence":
        draft = draft.having({"where": sql(where)}, where=condition(where))
    if rng.random() < (0.4 if late else 0.1):
        bounds = rng.choice([{"max_open": 3}, {"max_rate": 4}, {"max_open": 10, "max_rate": 2}])
        draft = draft.having(bounds, **bounds)
    if rng.random() < 0.1:
        draft = draft.having({"enabled": "shadow"}, mode="shadow")
    # A rule may not forget what it looks back on.
    hours = rng.choice([1, 2, 9600] if unit == SECOND_MS else [90 * 24, 9600])
    return draft.having({"forget": f"{hours}h"}, forget=hours * 3_600_000)


def _changed(rng: random.Random, draft: Draft) -> Draft:
    if rng.random() < 0.7:
        return draft
    return draft.having({"auto_resolve": ["red"]}, auto_resolve=frozenset({"red"}))


def _judged(rng: random.Random, unit: int, when: Tree, name: Tree) -> tuple[dict[str, Any], dict[str, Any]]:
    high = rng.randint(6, 9)
    rungs: list[tuple[str, Tree | None]] = [("red", ("cmp", ">=", name, ("lit", high))), ("yellow", None)]
    spec: dict[str, Any] = {"when": sql(when), "severity": {word: "true" if t is None else sql(t) for word, t in rungs}}
    rule: dict[str, Any] = {"when": condition(when), "ladder": tuple((word, condition(t)) for word, t in rungs)}
    if rng.random() < 0.3:
        clear: Tree = ("cmp", "<", name, ("lit", rng.randint(1, 4)))
        spec["clear"], rule["clear"] = sql(clear), condition(clear)
    if rng.random() < 0.3:
        rule["hold"] = rng.choice([2, 10, 60]) * unit
        spec["hold"] = f"{rule['hold']}ms"
    rule["update_every"] = rng.choice([0, 5, 60]) * unit
    spec["update_every"] = f"{rule['update_every']}ms"
    return spec, rule


def _clearing(rng: random.Random, unit: int) -> tuple[dict[str, Any], dict[str, Any]]:
    if rng.random() < 0.4:
        return {}, {}
    after = rng.choice([3, 20, 200]) * unit
    return {"clear_after": f"{after}ms"}, {"clear_after": after}


def _each(rng: random.Random, unit: int, feed: str) -> Draft:
    number = _number(feed)
    spec, rule = _judged(rng, unit, ("cmp", ">", number, ("lit", rng.randint(3, 7))), number)
    given, value = _clearing(rng, unit)
    return Draft(
        {"feed": feed} | spec | given, RefRule("", "each", feed, shown=tuple(columns(number)), **rule, **value)
    )


def _window(rng: random.Random, unit: int, feed: str, shapes: tuple[str, ...] | None = None) -> Draft:
    shape = rng.choice(shapes or SHAPES)
    size = rng.choice([8, 16] if unit == WATCH_MS else [10, 30]) * unit
    every = {"tumbling": size, "hopping": size // 2}.get(shape, 0)
    window = {shape: f"{size}ms"} | ({"every": f"{every}ms"} if shape == "hopping" else {})
    made = RefWindow(shape, size, every, -ZONE_MS % every if every and size >= DAY_MS else 0)
    if shape == "session":
        longest = rng.choice([2, 5, 20]) * size
        window, made = {"session": f"{size}ms", "max": f"{longest}ms"}, RefWindow("session", size, longest=longest)
    measures: dict[str, Tree] = {"n": COUNT}
    for name in rng.sample(sorted(MEASURES), rng.randint(1, 3)):
        measures[name] = ("agg", MEASURES[name], _number(feed))
    judged: Tree = ("col", rng.choice([name for name in measures if name not in ROUNDED]))
    spec, rule = _judged(rng, unit, ("cmp", ">=", judged, ("lit", rng.randint(2, 6))), judged)
    given, value = _clearing(rng, unit)
    functions = {name: functools.partial(measured, tree) for name, tree in measures.items()}
    spec |= {"feed": feed, "window": window, "measure": {name: sql(tree) for name, tree in measures.items()}}
    fresh = {"clear_after": size} | value
    return Draft(spec | given, RefRule("", "window", feed, measures=functions, window=made, **rule, **fresh))


def _baseline(rng: random.Random, unit: int, feed: str) -> Draft:
    draft = _window(rng, unit, feed, ("tumbling", "hopping"))
    assert draft.rule.window
    skip, last = rng.randint(0, 2), rng.randint(1, 8)
    trees: dict[str, Tree] = {
        "usual": ("agg", "median", ("col", "n")),
        "days": COUNT,
        "most": ("agg", "max", ("col", "n")),
    }
    when: Tree = (
        "cmp",
        ">",
        ("op", "+", ("col", "n"), ("lit", rng.randint(0, 2))),
        ("col", rng.choice(["usual", "most"])),
    )
    functions = {name: _compared(tree) for name, tree in trees.items()}
    baseline = RefBaseline(last, skip, draft.rule.window.size, functions)
    spec = {"baseline": {"last": last, "skip": skip, "measure": {name: sql(tree) for name, tree in trees.items()}}}
    return draft.having(spec | {"when": sql(when)}, kind="baseline", when=condition(when), baselines=(baseline,))


def _compared(tree: Tree) -> Any:
    return lambda plain, earlier: measured(tree, earlier, plain)


def _new(rng: random.Random, unit: int, feed: str) -> Draft:
    field = "x" if feed != "alert" else "rule"
    memory, learn = rng.choice([5, 50, 500]) * unit, rng.choice([0, 20]) * unit
    given, value = _clearing(rng, unit)
    spec = {"feed": feed, "new": [field], "memory": f"{memory}ms", "learn": f"{learn}ms", "severity": "blue"}
    rule = RefRule("", "new", feed, new=(field,), memory=memory, learn=learn, ladder=(("blue", None),), **value)
    return Draft(spec | given, rule)


def _absent(rng: random.Random, unit: int, feed: str) -> Draft:
    after = rng.choice([2, 5, 40]) * unit
    spec: dict[str, Any] = {"feed": feed, "absent": f"{after}ms", "severity": "orange"}
    return Draft(spec, RefRule("", "absent", feed, absent=after))


def _sequence(rng: random.Random, unit: int, feed: str) -> Draft:
    low: Tree = ("cmp", "<", _number(feed), ("lit", 6))
    other = rng.choice(list(FEEDS))
    high: Tree = ("cmp", ">", _number(other), ("lit", 6))
    unless: Tree = ("cmp", ">", _number(feed), ("lit", 6))
    absent = rng.random() < 0.4
    steps = [
        RefStep(feed, condition(low)),
        RefStep(other, condition(high), absent, rng.choice([None, (feed, condition(unless))])),
    ]
    listed: list[dict[str, Any]] = [{"feed": feed, "where": sql(low)}]
    if steps[1].unless:
        listed.append({"unless": {"feed": feed, "where": sql(unless)}})
    last = {"feed": other, "where": sql(high)}
    listed.append({"absent": last} if absent else last)
    within = rng.choice([5, 30]) * unit
    given, value = _clearing(rng, unit)
    rule = RefRule("", "sequence", within=within, sequence=tuple(steps), **value)
    return Draft({"sequence": listed, "within": f"{within}ms", "severity": "orange"} | given, rule)


MEASURES = {
    "mean": "avg",
    "top": "max",
    "low": "min",
    "total": "sum",
    "spread": "stddev",
    "newest": "last",
    "oldest": "first",
    "middle": "median",
    "kinds": "count distinct",
    "high": "quantile 0.9",
}
ROUNDED = {"spread", "high"}
SHAPES: tuple[str, ...] = ("tumbling", "hopping", "sliding", "session")
KINDS: list[Callable[[random.Random, int, str], Draft]] = [
    _each,
    _each,
    _window,
    _window,
    _window,
    _window,
    _absent,
    _sequence,
    _new,
    _baseline,
]
KINDS_OF_LATE: list[Callable[[random.Random, int, str], Draft]] = [_each, _each, _each, _each, _new, _sequence]
#: By how many units an event comes after its time.
LAGS = [0, 0, 0, 0, 1, 2, 4, 7, 40]
LAGS_OF_LATE = [0, 0, 0, 0, 0, 0, 1, 2, 10, 40, 100, 300]


# --- the stream -------------------------------------------------------------------------------------------------------


def _ops(rng: random.Random, unit: int, events: int, sets: int, lags: list[int]) -> list[tuple[Any, ...]]:
    now = BASE_MS
    live, receipts = rng.random() < 0.5, rng.random() < 0.5
    keys = [f"s{number}" for number in range(rng.choice([5, 30, 60]))]
    pace = rng.choice([0.2, 0.5, 1.5])
    found: list[tuple[Any, ...]] = [("rules", now, 0)] if live else []
    made: list[dict[str, Any]] = []
    for _ in range(events):
        now += round(rng.expovariate(1 / pace)) * unit
        if rng.random() < 0.003:
            now += rng.choice([50, 400, 3570, 3590, 9000]) * unit if unit == SECOND_MS else rng.choice([9, 40]) * unit
        if rng.random() < 0.01:
            # Some fall silent, others appear.
            keys[rng.randrange(len(keys))] = f"s{rng.randrange(10 * len(keys))}"
        draw = rng.random()
        if draw < 0.02 and made:
            found.append(("tick", now))
        elif draw < 0.04 and made:
            found.append(("act", rng.choice(VERBS), rng.randrange(50), now))
        elif draw < 0.05 and made:
            found.append(
                ("event", made[-1 - rng.randrange(min(len(made), 100))] | ({"receipt": now} if receipts else {}))
            )
        elif draw < 0.052 and made and sets > 1:
            found.append(("rules", now, rng.randrange(sets)))
        else:
            made.append(_event(rng, len(made), now, unit, keys, lags, receipts=receipts))
            found.append(("event", made[-1]))
    if rng.random() < 0.7:
        found.append(("end", rng.choice([None, now + 500 * unit])))
    return found


def _event(
    rng: random.Random, number: int, now: int, unit: int, keys: list[str], lags: list[int], *, receipts: bool
) -> dict[str, Any]:
    feed = rng.choice(list(FEEDS))
    lag = rng.choice(lags) * unit
    event: dict[str, Any] = {"id": f"e{number}", "feed": feed, "source": rng.choice("pq"), "time": now - lag}
    if rng.random() > 0.02:
        event["subject"] = keys[min(int(rng.expovariate(3 / len(keys))), len(keys) - 1)]
        event["region"] = f"5301{len(event['subject']):02}"
    if rng.random() > 0.05:
        event["x"] = rng.randrange(11) if feed == "gamma" else float(rng.randrange(11))
    if rng.random() > 0.05:
        event["tag"] = rng.choice(["a", "b", "ab"])
    return event | ({"receipt": now} if receipts else {})
