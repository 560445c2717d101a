"""Random rule sets and event streams, drawn as structures that read both as YAML and NDJSON and as the reference's values."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from hypothesis import strategies as st

from tests import expressions as ex
from tests.reference.rule import RefFeed, RefRule, RefStep, RefWindow

#: 2026-01-01 08:00 in Shanghai, aligned to every window used here.
BASE_MS = 1_767_225_600_000
DAY_MS = 86_400_000
ZONE_MS = 8 * 3_600_000
#: In seconds, all that happens lies within minutes; in units of three hours, windows of days begin at midnight.
UNITS_MS = (1_000, 10_800_000)

#: One name has different types in different feeds, as happens in practice.
FEEDS: dict[str, dict[str, str]] = {
    "alpha": {"x": "number", "y": "number", "tag": "string", "num": "integer", "flag": "boolean"},
    "beta": {"x": "number", "num": "number", "tag": "string"},
    "gamma": {"x": "integer", "flag": "boolean", "tag": "string"},
}
#: (lateness, idle) in units.
TIMING = {"alpha": (5, 20), "beta": (0, 8), "gamma": (3, 40)}
ENVELOPE = {"subject": "string", "region": "string", "source": "string"}
VERBS = ("ack", "assign", "note", "resolve", "resolve", "reopen")
SEVERITIES = ("red", "orange", "yellow", "blue")


@dataclass(frozen=True)
class Case:
    """``ops``: ("event", event), ("tick", at), ("act", verb, pick, at) and perhaps ("end", at or None) at last. A live log begins
    with ("rules", at): the activation; without it the rules are in force from the beginning, as in a replay.

    An act names the alert by a number, as which alerts there are shows only when the reference runs.
    """

    feeds_yaml: str
    rules_yaml: str
    feeds: Mapping[str, RefFeed]
    rules: list[RefRule]
    ops: list[tuple[Any, ...]]

    @property
    def files(self) -> dict[str, str]:
        return {"feeds.yaml": self.feeds_yaml, "rules.yaml": self.rules_yaml}

    def __repr__(self) -> str:
        ops = [line(op[1]).decode() if op[0] == "event" else repr(op) for op in self.ops]
        return "\n".join(["Case:", self.feeds_yaml, self.rules_yaml, *ops])

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        """How hypothesis shows it: as files, not as fields."""
        printer.text(repr(self))


def line(event: Mapping[str, Any]) -> bytes:
    """An event as it is posted: whole numbers without a point. The receipt is the log's."""
    plain = {
        name: int(v) if isinstance(v, float) and v.is_integer() else v for name, v in event.items() if name != "receipt"
    }
    return json.dumps(plain, ensure_ascii=False).encode()


# --- the catalogue ----------------------------------------------------------------------------------------------------


def catalog_yaml(unit: int) -> str:
    feeds = {
        name: {
            "domain": "testing",
            "lateness": f"{TIMING[name][0] * unit}ms",
            "idle": f"{TIMING[name][1] * unit}ms",
            "fields": dict(fields),
        }
        for name, fields in FEEDS.items()
    }
    return yaml.safe_dump({"feeds": feeds}, sort_keys=False)


def ref_feeds(unit: int) -> dict[str, RefFeed]:
    return {name: RefFeed(late * unit, idle * unit) for name, (late, idle) in TIMING.items()}


# --- rules ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Draft:
    """A rule both ways."""

    spec: dict[str, Any]
    rule: RefRule


def _condition(tree: ex.Tree | None) -> Callable[[Mapping[str, Any]], bool | None] | None:
    return None if tree is None else functools.partial(ex.value, tree)


def _types(feed: str) -> dict[str, str]:
    return {**FEEDS[feed], **ENVELOPE}


def _by(feeds: set[str]) -> st.SearchStrategy[list[str] | None]:
    """Key fields that every feed has with one type; None leaves ``by`` out."""
    common = [n for n in _types(min(feeds)) if len({_types(feed).get(n) for feed in feeds}) == 1]
    plain = st.sampled_from([None, None, ["subject"], ["region", "subject"], ["tag"], ["source"]])
    odd = [[name] for name in common if name in ("num", "flag", "x")]
    return ex.weighted((4, plain), (1, st.sampled_from([*odd, ["tag", "subject"]])))


Rungs = list[tuple[str, "ex.Tree | None"]]


@st.composite
def _ladder(draw: st.DrawFn, types: Mapping[str, str]) -> tuple[ex.Tree, Rungs, ex.Tree | None]:
    """``when``, severities and ``clear``: half of them as people write them, with thresholds of one number."""
    numbers = [name for name, kind in types.items() if kind in ("number", "integer")]
    size = draw(st.sampled_from([1, 2, 2, 3]))
    words = sorted(draw(st.sets(st.sampled_from(SEVERITIES), min_size=size, max_size=size)), key=SEVERITIES.index)
    if numbers and draw(st.booleans()):
        name = ("col", draw(st.sampled_from(numbers)))
        limit = draw(st.integers(1, 6))
        steps = sorted(draw(st.sets(st.integers(2, 12), min_size=len(words), max_size=len(words))), reverse=True)
        rungs: Rungs = [(word, ("cmp", ">=", name, ("lit", step))) for word, step in zip(words, steps, strict=True)]
        when: ex.Tree = ("cmp", ">", name, ("lit", limit))
        low = ("lit", limit - draw(st.integers(-2, 3)))
        clear = draw(ex.weighted((2, st.none()), (1, st.just(("cmp", "<", name, low)))))
    else:
        when = draw(ex.weighted((5, ex.conditions(types, 1)), (1, st.just(("true",)))))
        rungs = [(word, draw(ex.conditions(types, 0))) for word in words]
        clear = draw(ex.weighted((3, st.none()), (1, ex.conditions(types, 0))))
    if draw(st.integers(0, 3)):
        rungs[-1] = (words[-1], None)
    return when, rungs, clear


@st.composite
def _episode(draw: st.DrawFn, unit: int, types: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, Any], set[str]]:
    """What rules of kind each and window share: when, clear, severity, hold, update_every; and the names they read."""
    when, rungs, clear = draw(_ladder(types))
    spec: dict[str, Any] = {"when": ex.sql(when)}
    spec["severity"] = {word: "true" if tree is None else ex.sql(tree) for word, tree in rungs}
    if len(rungs) == 1 and rungs[0][1] is None:
        spec["severity"] = rungs[0][0]
    rule: dict[str, Any] = {"when": _condition(when)}
    rule["ladder"] = tuple((word, _condition(tree)) for word, tree in rungs)
    read = set().union(*map(ex.columns, [when, clear, *(tree for _, tree in rungs)]))
    if clear is not None:
        spec["clear"], rule["clear"] = ex.sql(clear), _condition(clear)
    if draw(st.integers(0, 3)) == 3:
        rule["hold"] = draw(st.sampled_from([1, 3, 10])) * unit
        spec["hold"] = f"{rule['hold']}ms"
    if draw(st.booleans()):
        rule["update_every"] = draw(st.sampled_from([1, 0, 2, 4, 8, 60])) * unit
        spec["update_every"] = f"{rule['update_every']}ms"
    return spec, rule, read


def _clear_after(unit: int) -> st.SearchStrategy[tuple[dict[str, Any], dict[str, Any]]]:
    """As given in the rule; left out, the default of the kind applies."""
    given = st.sampled_from([1, 2, 5, 12, 30]).map(
        lambda n: ({"clear_after": f"{n * unit}ms"}, {"clear_after": n * unit})
    )
    return ex.weighted(
        (3, st.just(({}, {}))), (3, given), (1, st.just(({"clear_after": "never"}, {"clear_after": None})))
    )


@st.composite
def _each(draw: st.DrawFn, unit: int) -> Draft:
    feed = draw(st.sampled_from(list(FEEDS)))
    by = draw(_by({feed}))
    spec, rule, read = draw(_episode(unit, _types(feed)))
    given, value = draw(_clear_after(unit))
    if draw(st.integers(0, 2)) == 2:
        where = draw(ex.conditions(_types(feed), 1))
        spec["where"], rule["where"] = ex.sql(where), _condition(where)
    if draw(st.integers(0, 3)) == 3:
        spec["summary"] = {"zh": "{x:.1f} 于 {subject}", "en": "{x} at {tag}"}
        read |= {"x", "subject", "tag"}
    names = ["id", "feed", "source", "time", "region", "subject", "lon", "lat", *FEEDS[feed]]
    shown = tuple(name for name in names if name in read and name not in (by or ["subject"]))
    return _draft(spec | given, RefRule("", "each", feed, shown=shown, **rule, **value), by)


@st.composite
def _window(draw: st.DrawFn, unit: int) -> Draft:
    feed = draw(st.sampled_from(list(FEEDS)))
    by = draw(_by({feed}))
    shape = draw(st.sampled_from(["tumbling", "hopping", "sliding"]))
    size = draw(st.sampled_from([4, 8, 10, 16] if unit >= 10_800_000 else [5, 10, 12, 30])) * unit
    window: dict[str, str] = {shape: f"{size}ms"}
    every = {"tumbling": size, "sliding": 0}.get(shape, 0)
    if shape == "hopping":
        every = draw(st.sampled_from([2 * unit, 3 * unit, 5 * unit if size >= 5 * unit else unit, size]))
        every = min(every, size)
        window["every"] = f"{every}ms"
    offset = -ZONE_MS % every if every and size >= DAY_MS else 0
    names = draw(st.lists(st.sampled_from(["m", "mean", "limit", "n"]), min_size=1, max_size=3, unique=True))
    measures = {name: draw(ex.aggregates(_types(feed))) for name in names}
    if all(ex.rounded(tree) for tree in measures.values()):
        measures["n"] = ("agg", "count", None)
    types = {name: "number" for name, tree in measures.items() if not ex.rounded(tree)}
    types |= {name: _types(feed)[name] for name in by or ["subject"]}
    spec, rule, _ = draw(_episode(unit, types))
    given, value = draw(_clear_after(unit))
    value = {"clear_after": size} | value
    if draw(st.booleans()):
        where = draw(ex.conditions(_types(feed), 1))
        spec["where"], rule["where"] = ex.sql(where), _condition(where)
    spec |= {"window": window, "measure": {name: ex.sql(tree) for name, tree in measures.items()}}
    functions = {name: functools.partial(ex.measured, tree) for name, tree in measures.items()}
    rule |= {"measures": functions, "window": RefWindow(shape, size, every, offset)}
    return _draft(spec | given, RefRule("", "window", feed, **rule, **value), by)


@st.composite
def _absent(draw: st.DrawFn, unit: int) -> Draft:
    feed = draw(st.sampled_from(list(FEEDS)))
    by = draw(st.sampled_from([None, ["subject"], ["subject", "tag"], ["region"]]))
    spec: dict[str, Any] = {"severity": draw(st.sampled_from(SEVERITIES))}
    after = draw(st.sampled_from([2, 5, 12])) * unit
    spec["absent"] = f"{after}ms"
    rule: dict[str, Any] = {"absent": after, "ladder": ((spec["severity"], None),)}
    if draw(st.booleans()):
        where = draw(ex.conditions(_types(feed), 1))
        spec["where"], rule["where"] = ex.sql(where), _condition(where)
    if draw(st.booleans()) and by in (None, ["subject"]):
        expected = draw(st.lists(st.sampled_from(["s1", "s2", "甲站", "s9"]), min_size=1, max_size=3, unique=True))
        spec["expect"] = expected
        rule["expect"] = tuple((name,) for name in expected)
    return _draft(spec, RefRule("", "absent", feed, **rule), by)


@st.composite
def _sequence(draw: st.DrawFn, unit: int) -> Draft:
    feeds = draw(st.lists(st.sampled_from(list(FEEDS)), min_size=1, max_size=3, unique=True))
    feed = st.sampled_from(feeds)

    def part() -> tuple[dict[str, Any], str, ex.Tree | None]:
        name = draw(feed)
        tree = draw(st.one_of(ex.conditions(_types(name), 0), ex.conditions(_types(name), 1), st.none()))
        return {"feed": name} | ({} if tree is None else {"where": ex.sql(tree)}), name, tree

    listed: list[dict[str, Any]] = []
    steps: list[RefStep] = []
    count = draw(st.integers(2, 4))
    ends_absent = draw(st.integers(0, 2)) == 2
    for index in range(count):
        unless = None
        if index and draw(st.integers(0, 2)) == 2:
            given, name, tree = part()
            listed.append({"unless": given})
            unless = (name, _condition(tree))
        given, name, tree = part()
        last = ends_absent and index == count - 1
        listed.append({"absent": given} if last else given)
        steps.append(RefStep(name, _condition(tree), last, unless))
    within = draw(st.sampled_from([2, 6, 15, 40])) * unit
    severity = draw(st.sampled_from(SEVERITIES))
    given, value = draw(_clear_after(unit))
    rule = RefRule("", "sequence", within=within, sequence=tuple(steps), ladder=((severity, None),), **value)
    by = draw(_by(rule.feeds))
    if by and any(len({_types(name).get(key) for name in rule.feeds}) != 1 for key in by):
        by = None
    spec = {"sequence": listed, "within": f"{within}ms", "severity": severity}
    return _draft(spec | given, rule, by)


def _draft(spec: dict[str, Any], rule: RefRule, by: list[str] | None) -> Draft:
    changes: dict[str, Any] = {}
    if by is not None:
        spec = spec | {"by": by}
        changes["by"] = tuple(by)
    if rule.kind != "sequence":
        spec = {"feed": rule.feed} | spec
    return Draft(spec, RefRule(**{**rule.__dict__, **changes}))


@st.composite
def _rules(draw: st.DrawFn, unit: int, most: int) -> list[Draft]:
    kinds = st.sampled_from([_each, _window, _window, _window, _absent, _sequence, _sequence])
    drafts: list[Draft] = []
    for index in range(draw(st.integers(1, most))):
        draft = draw(draw(kinds)(unit))
        extra: dict[str, Any] = {}
        changes: dict[str, Any] = {"id": f"{draw(st.sampled_from('cab'))}.{draft.rule.kind}-{index}"}
        if draw(st.integers(0, 5)) == 5:
            resolved = draw(st.lists(st.sampled_from(SEVERITIES), max_size=4, unique=True))
            extra["auto_resolve"], changes["auto_resolve"] = resolved, frozenset(resolved)
        if draw(st.integers(0, 9)) == 9:
            mode = draw(st.sampled_from(["shadow", "off"]))
            extra["enabled"], changes["mode"] = {"shadow": "shadow", "off": False}[mode], mode
        title = {"zh": "试验", "en": "A test"}
        spec = {"id": changes["id"], "title": title, "domain": "testing", "forget": "400d"} | draft.spec | extra
        drafts.append(Draft(spec, RefRule(**{**draft.rule.__dict__, **changes})))
    return drafts


# --- events -----------------------------------------------------------------------------------------------------------

# The first of each is what a case shrinks to.
_SUBJECTS = st.sampled_from(["s1", "s1", "s1", "s1", "s2", "s2", "甲站", None])
_REGIONS = st.sampled_from(["530100", "530100", "530102", None])
_NUMBERS = st.sampled_from([5, 0, 3, 4, 6, 7, 8, 10, None])
_TEXTS = st.sampled_from(["a", "b", "ab", "A", None])
_FLAGS = st.sampled_from([True, False, None])
_GAPS = st.sampled_from([0, 0, 1, 1, 1, 1, 2, 2, 3, 5, 8, 15, 45])
_LAGS = st.sampled_from([0, 0, 0, 0, 0, 1, 2, 4, 5, 6, 12, 50])
_JITTERS_MS = st.sampled_from([0, 0, 0, 0, 0, 0, 1, -1])
#: Ahead of its receipt an event may be stamped, but by no more than five minutes.
_AHEADS_MS = st.sampled_from([0, 0, 0, 0, 2_000, 7_000, 60_000])
_PICKS = st.integers(0, 5)

#: Steps of a stream as drawn, without reference to each other, so that any of them can be left out when a case shrinks.
_EVENT_DRAFT = st.tuples(
    st.just("event"), _GAPS, _PICKS, _LAGS, _JITTERS_MS, _AHEADS_MS, st.sampled_from(["p", "q"]), _SUBJECTS, _REGIONS,
    _NUMBERS, _NUMBERS, _NUMBERS, _TEXTS, _FLAGS, st.booleans(),
)  # fmt: skip
_TICK_DRAFT = st.tuples(st.just("tick"), _GAPS)
_ACT_DRAFT = st.tuples(st.just("act"), _GAPS, st.sampled_from(VERBS), _PICKS)
_AGAIN_DRAFT = st.tuples(st.just("again"), st.just(0), _PICKS)
_DRAFT = ex.weighted((14, _EVENT_DRAFT), (1, _TICK_DRAFT), (2, _ACT_DRAFT), (1, _AGAIN_DRAFT))


def _event(
    draft: tuple[Any, ...], number: int, now: int, unit: int, feeds: list[str], *, receipts: bool
) -> dict[str, Any]:
    _, _, pick, lag, jitter, ahead, source, subject, region, x, y, num, tag, flag, nulls = draft
    feed = feeds[pick % len(feeds)]
    at = now + (ahead if receipts else 0) - lag * unit + jitter
    event: dict[str, Any] = {"id": f"e{number}", "feed": feed, "source": source, "time": at}
    drawn = {"subject": subject, "region": region, "x": x, "y": y, "num": num, "tag": tag, "flag": flag}
    for name, value in drawn.items():
        if name in ENVELOPE or name in FEEDS[feed]:
            event[name] = float(value) if value is not None and FEEDS[feed].get(name) == "number" else value
    # Null and missing are the same.
    return {name: value for name, value in event.items() if value is not None or nulls} | (
        {"receipt": now} if receipts else {}
    )


def _ops(
    drafts: list[tuple[Any, ...]], unit: int, feeds: list[str], *, receipts: bool, live: bool
) -> list[tuple[Any, ...]]:
    now = BASE_MS
    ops: list[tuple[Any, ...]] = [("rules", now)] if live else []
    events: list[dict[str, Any]] = []
    for draft in drafts:
        now += draft[1] * unit
        # A replay begins with an event: which clock an earlier tick would show, nobody has said.
        if draft[0] == "event" or (draft[0] == "again" and not events):
            if draft[0] == "again":
                continue
            events.append(_event(draft, len(events), now, unit, feeds, receipts=receipts))
            ops.append(("event", events[-1]))
        elif draft[0] == "again":
            # The same event once more; only its receipt is another.
            before = events[-1 - draft[2] % len(events)]
            ops.append(("event", before | ({"receipt": now} if receipts else {})))
        elif events or live:
            ops.append(("tick", now) if draft[0] == "tick" else ("act", draft[2], draft[3], now))
    return ops


@st.composite
def cases(draw: st.DrawFn, *, most_rules: int = 3, most_ops: int = 60) -> Case:
    """A rule set with a stream that concerns it: disorder, late, repeated and keyless events, ticks, acts, idle gaps."""
    unit = draw(st.sampled_from([UNITS_MS[0], UNITS_MS[0], UNITS_MS[1]]))
    drafts = draw(_rules(unit, most_rules))
    used = sorted(set().union(*(draft.rule.feeds for draft in drafts)))
    feeds = [*used, *used, draw(st.sampled_from([*used, *FEEDS]))]
    receipts = draw(st.booleans())
    short, long = st.lists(_DRAFT, max_size=8), st.lists(_DRAFT, min_size=most_ops // 3, max_size=most_ops)
    steps = draw(ex.weighted((1, short), (4, long)))
    ops = _ops(steps, unit, feeds, receipts=receipts, live=draw(st.integers(0, 2)) == 2)
    if draw(st.integers(0, 3)):
        latest = max([BASE_MS] + [op[1]["time"] if op[0] == "event" else op[-1] for op in ops])
        ops.append(("end", draw(st.sampled_from([None, None, latest + 3 * unit, latest + 200 * unit]))))
    rules_yaml = yaml.safe_dump({"rules": [draft.spec for draft in drafts]}, sort_keys=False, allow_unicode=True)
    return Case(catalog_yaml(unit), rules_yaml, ref_feeds(unit), [draft.rule for draft in drafts], ops)
