"""Rules of every kind over events of one feed or several."""

from __future__ import annotations

import functools
from typing import Any

from hypothesis import strategies as st

from tests.expressions.drawn import aggregates, comparisons, graded, readable
from tests.expressions.grades import ROUNDED, TEXT, grade
from tests.expressions.sql import sql
from tests.expressions.trees import Tree, columns
from tests.expressions.values import measured
from tests.reference.rule import RefBaseline, RefRule, RefStep, RefWindow
from tests.strategies.draft import Draft, condition
from tests.strategies.parts import about, clear_after, episode, keys, ladder, over, severities, where
from tests.strategies.world import DAY_MS, FEEDS, SEVERITIES, WATCH_MS, ZONE_MS, types_of

#: The feeds that a rule is drawn over, and the rules over alerts that it may name.
Feeds = tuple[str, ...]
Names = tuple[str, ...]
PLAIN: Feeds = tuple(FEEDS)
SHAPES = ("tumbling", "hopping", "sliding", "session")


def _keyed(spec: dict[str, Any], rule: RefRule, by: list[str] | None) -> Draft:
    if rule.kind != "sequence":
        spec = {"feed": rule.feed} | spec
    draft = Draft(spec, rule)
    return draft if by is None else draft.having({"by": by}, by=tuple(by))


@st.composite
def each(draw: st.DrawFn, unit: int, feeds: Feeds = PLAIN, rules: Names = ()) -> Draft:
    feed = draw(st.sampled_from(feeds))
    by = draw(keys({feed}))
    types = types_of(feed)
    spec, rule, read = draw(episode(unit, types | {"time": "time"}, None if feed != "alert" else about(rules)))
    given, value = draw(clear_after(unit))
    some, only_those = draw(where(feed, rules))
    if feed != "alert" and draw(st.integers(0, 3)) == 3:
        spec["summary"] = {"zh": "{x:.1f} 于 {subject}", "en": "{x} at {tag}"}
        read |= {"x", "subject", "tag"}
    shown = tuple(name for name in ("time", *types) if name in read and name not in (by or ["subject"]))
    return _keyed(spec | given | some, RefRule("", "each", feed, shown=shown, **rule, **value, **only_those), by)


@st.composite
def window(
    draw: st.DrawFn, unit: int, feeds: Feeds = PLAIN, rules: Names = (), shapes: tuple[str, ...] = SHAPES
) -> Draft:
    feed = draw(st.sampled_from(feeds))
    by = draw(keys({feed}))
    spec, made = _shape(draw, unit, draw(st.sampled_from(shapes)))
    measures = _measures(draw, feed)
    grades = graded(measures, types_of(feed))
    types = readable(grades) | {name: types_of(feed)[name] for name in by or ["subject"]}
    more, rule, _ = draw(episode(unit, types))
    given, value = draw(clear_after(unit))
    some, only_those = draw(where(feed, rules))
    spec |= more | given | some | {"measure": {name: sql(tree) for name, tree in measures.items()}}
    rule |= {"clear_after": made.size} | value | only_those
    functions = {name: functools.partial(measured, tree) for name, tree in measures.items()}
    return _keyed(spec, RefRule("", "window", feed, measures=functions, window=made, **rule), by)


def _shape(draw: st.DrawFn, unit: int, shape: str) -> tuple[dict[str, Any], RefWindow]:
    if shape == "session":
        gap = draw(st.sampled_from([2, 1, 4, 8])) * unit
        longest = draw(st.sampled_from([None, None, gap, 2 * gap, 3 * gap + unit, 10 * gap]))
        spec = {"session": f"{gap}ms"} | ({} if longest is None else {"max": f"{longest}ms"})
        return {"window": spec}, RefWindow("session", gap, longest=longest or max(DAY_MS, gap))
    size = draw(st.sampled_from([4, 8, 10, 16] if unit >= WATCH_MS else [5, 10, 12, 30])) * unit
    spec = {shape: f"{size}ms"}
    every = {"tumbling": size, "sliding": 0}.get(shape, 0)
    if shape == "hopping":
        every = draw(st.sampled_from([2 * unit, 3 * unit, 5 * unit if size >= 5 * unit else unit, size]))
        every = min(every, size)
        spec["every"] = f"{every}ms"
    offset = -ZONE_MS % every if every and size >= DAY_MS else 0
    return {"window": spec}, RefWindow(shape, size, every, offset)


def _measures(draw: st.DrawFn, feed: str) -> dict[str, Tree]:
    names = draw(st.lists(st.sampled_from(["m", "mean", "limit", "n"]), min_size=1, max_size=3, unique=True))
    measures = {name: draw(aggregates(types_of(feed))) for name in names}
    if all(grade(tree) == ROUNDED for tree in measures.values()):
        measures["n"] = ("agg", "count", None)
    return measures


@st.composite
def baseline(draw: st.DrawFn, unit: int, feeds: Feeds = PLAIN, rules: Names = ()) -> Draft:
    draft = draw(window(unit, feeds, rules, ("tumbling", "hopping")))
    assert draft.rule.window
    size, hop = draft.rule.window.size, draft.rule.window.every
    feed, by = draft.rule.feed, draft.spec.get("by")
    measures = _measures(draw, feed)
    grades = graded(measures, types_of(feed))
    if all(how == TEXT for how in grades.values()):
        measures["n"], grades["n"] = ("agg", "count", None), 0
    specs: list[dict[str, Any]] = []
    baselines: list[RefBaseline] = []
    for number in range(draw(st.sampled_from([1, 1, 2, 3]))):
        last, skip = draw(st.sampled_from([2, 1, 3, 7])), draw(st.sampled_from([0, 0, 1, 2]))
        side_by_side = size if size % hop == 0 else None
        every = draw(st.sampled_from([side_by_side or -(-size // hop) * hop, -(-size // hop) * hop + hop]))
        names = draw(st.lists(st.sampled_from(["b", "c", "d"]), min_size=1, max_size=2, unique=True))
        trees = {f"{name}{number}": draw(comparisons(grades, grades)) for name in names}
        spec: dict[str, Any] = {"last": last, "measure": {name: sql(tree) for name, tree in trees.items()}}
        if skip or draw(st.booleans()):
            spec["skip"] = skip
        if every != size:
            spec["every"] = f"{every}ms"
        specs.append(spec)
        functions = {name: _compared(tree) for name, tree in trees.items()}
        baselines.append(RefBaseline(last, skip, every, functions))
        grades = grades | {name: grade(tree, grades) for name, tree in trees.items()}
    types = readable(grades) | {name: types_of(feed)[name] for name in by or ["subject"]}
    judged = [name for name in types if name[:-1] in ("b", "c", "d")]
    if judged:  # most conditions hang on what the baseline says
        types = draw(st.sampled_from([{name: types[name] for name in judged}, types]))
    more, rule, _ = draw(episode(unit, types))
    kept = {name: draft.spec[name] for name in ("feed", "by", "window", "where", "clear_after") if name in draft.spec}
    spec = kept | more | {"measure": {name: sql(tree) for name, tree in measures.items()}}
    spec["baseline"] = specs if len(specs) > 1 or draw(st.booleans()) else specs[0]
    functions_ = {name: functools.partial(measured, tree) for name, tree in measures.items()}
    fresh = {"hold": 0, "update_every": 60_000, "clear": None} | rule
    return Draft({}, draft.rule).having(spec, kind="baseline", measures=functions_, baselines=tuple(baselines), **fresh)


def _compared(tree: Tree) -> Any:
    return lambda plain, earlier: measured(tree, earlier, plain)


@st.composite
def new(draw: st.DrawFn, unit: int, feeds: Feeds = PLAIN, rules: Names = ()) -> Draft:
    feed = draw(st.sampled_from(feeds))
    by = draw(st.sampled_from([None, ["subject"], ["region"], ["source"]]))
    types = types_of(feed)
    choices = [["tag"], ["tag"], ["source", "tag"], *([name] for name in ("num", "flag", "x") if name in types)]
    if feed == "alert":
        choices = [["rule"], ["type"], ["rule", "severity"], ["state"]]
    fields = [name for name in draw(st.sampled_from(choices)) if name not in (by or ["subject"])]
    _, rungs, _ = draw(ladder(types, None if feed != "alert" else about(rules)))
    spec, rule = severities(rungs)
    spec["new"], rule["new"] = fields, tuple(fields)
    rule["memory"] = 30 * DAY_MS
    if draw(st.booleans()):
        rule["memory"] = draw(st.sampled_from([5, 1, 2, 12])) * unit
        spec["memory"] = f"{rule['memory']}ms"
    if draw(st.integers(0, 2)) == 2:
        rule["learn"] = draw(st.sampled_from([3, 1, 10])) * unit
        spec["learn"] = f"{rule['learn']}ms"
    read = set().union(*(columns(tree) for _, tree in rungs))
    if feed != "alert" and draw(st.integers(0, 2)) == 2:
        spec["summary"] = {"zh": "{x:.1f} 于 {subject}", "en": "{x} at {tag}"}
        read |= {"x", "subject", "tag"}
    shown = tuple(name for name in types if name in read and name not in (*(by or ["subject"]), *fields))
    given, value = draw(clear_after(unit))
    some, only_those = draw(where(feed, rules))
    return _keyed(spec | given | some, RefRule("", "new", feed, shown=shown, **rule, **value, **only_those), by)


@st.composite
def absent(draw: st.DrawFn, unit: int, feeds: Feeds = PLAIN, rules: Names = ()) -> Draft:
    feed = draw(st.sampled_from(feeds))
    by = draw(st.sampled_from([None, ["subject"], ["region"], ["subject", "tag" if feed != "alert" else "rule"]]))
    spec: dict[str, Any] = {"severity": draw(st.sampled_from(SEVERITIES))}
    after = draw(st.sampled_from([2, 5, 12])) * unit
    spec["absent"] = f"{after}ms"
    rule: dict[str, Any] = {"absent": after, "ladder": ((spec["severity"], None),)}
    some, only_those = draw(where(feed, rules))
    if draw(st.booleans()) and by in (None, ["subject"]):
        expected = draw(st.lists(st.sampled_from(["s1", "s2", "甲站", "s9"]), min_size=1, max_size=3, unique=True))
        spec["expect"] = expected
        rule["expect"] = tuple((name,) for name in expected)
    return _keyed(spec | some, RefRule("", "absent", feed, **rule, **only_those), by)


@st.composite
def sequence(draw: st.DrawFn, unit: int, feeds: Feeds = PLAIN, rules: Names = ()) -> Draft:
    some = draw(st.lists(st.sampled_from(feeds), min_size=1, max_size=3, unique=True))
    feed = st.sampled_from(["alert", *some] if "alert" in feeds else some)

    def part() -> tuple[dict[str, Any], str, Tree | None]:
        name = draw(feed)
        tree = draw(st.one_of(over(name, 0, rules), over(name, 1, rules), st.none()))
        return {"feed": name} | ({} if tree is None else {"where": sql(tree)}), name, tree

    listed: list[dict[str, Any]] = []
    steps: list[RefStep] = []
    count = draw(st.integers(2, 4))
    ends_absent = draw(st.integers(0, 2)) == 2
    for index in range(count):
        unless = None
        if index and draw(st.integers(0, 2)) == 2:
            given, name, tree = part()
            listed.append({"unless": given})
            unless = (name, condition(tree))
        given, name, tree = part()
        last = ends_absent and index == count - 1
        listed.append({"absent": given} if last else given)
        steps.append(RefStep(name, condition(tree), last, unless))
    within = draw(st.sampled_from([2, 6, 15, 40])) * unit
    severity = draw(st.sampled_from(SEVERITIES))
    given, value = draw(clear_after(unit))
    rule = RefRule("", "sequence", within=within, sequence=tuple(steps), ladder=((severity, None),), **value)
    by = draw(keys(rule.feeds))
    if by and any(len({types_of(name).get(key) for name in rule.feeds}) != 1 for key in by):
        by = None
    spec = {"sequence": listed, "within": f"{within}ms", "severity": severity}
    return _keyed(spec | given, rule, by)
