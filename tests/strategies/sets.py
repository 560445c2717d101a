"""Rule sets, and what becomes of them while they run: rules that stay, change, go and come."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from tests.strategies import kinds
from tests.strategies.case import Case, RuleFiles
from tests.strategies.draft import Draft
from tests.strategies.hours import only
from tests.strategies.stream import drafts, ops
from tests.strategies.tables import Tables, tables
from tests.strategies.world import BASE_MS, FEEDS, SECOND_MS, SEVERITIES, WATCH_MS, catalog_yaml, ref_feeds
from tests.strategies.written import WAYS, written

_KINDS = [kinds.each, kinds.window, kinds.window, kinds.window, kinds.absent, kinds.sequence, kinds.new, kinds.baseline]
#: In a rule over alerts, what it names.
_NAMING = re.compile(r"rule = '([^']+)'|rule IN \(([^)]*)\)")
#: How many of ten rules are over alerts, once there are others.
_OVER_ALERTS = 3
STORMS = True


@st.composite
def _rule(draw: st.DrawFn, unit: int, index: int, rules: Sequence[str]) -> Draft:
    """``rules``: those that a rule over alerts may name; it names only older ones, so that none goes round in a circle."""
    named = tuple(rule for rule in rules if _number(rule) < index)
    kind = draw(st.sampled_from(_KINDS))
    if named and draw(st.integers(1, 10)) > 10 - _OVER_ALERTS:
        draft = draw(kind(unit, (("alert", *FEEDS) if kind is kinds.sequence else ("alert",)), named))
    else:
        draft = draw(kind(unit))
    identity = f"{draw(st.sampled_from('cab'))}.{draft.rule.kind}-{index}"
    head = {"id": identity, "title": {"zh": "试验", "en": "A test"}, "domain": "testing", "forget": "400d"}
    draft = Draft(head | draft.spec, replace(draft.rule, id=identity))
    if draw(st.integers(0, 5)) == 5:
        resolved = draw(st.lists(st.sampled_from(SEVERITIES), max_size=4, unique=True))
        draft = draft.having({"auto_resolve": resolved}, auto_resolve=frozenset(resolved))
    if draw(st.integers(0, 5)) == 5:
        hours, calendar = draw(only(unit))
        draft = draft.having(hours, **calendar)
    if STORMS and draw(st.integers(0, 4)) == 4:
        bounds = draw(
            st.sampled_from([{"max_open": 1}, {"max_open": 2}, {"max_rate": 1}, {"max_open": 3, "max_rate": 2}])
        )
        draft = draft.having(bounds, **bounds)
    if draw(st.integers(0, 9)) == 9:
        mode = draw(st.sampled_from(["shadow", "off"]))
        draft = draft.having({"enabled": {"shadow": "shadow", "off": False}[mode]}, mode=mode)
    return draft


@st.composite
def _next(draw: st.DrawFn, unit: int, before: Sequence[Draft]) -> list[Draft]:
    """The set after a change."""
    found: list[Draft] = []
    ids = [draft.rule.id for draft in before]
    for draft in before:
        fate = draw(st.sampled_from(["stays", "stays", "renamed", "altered", "replaced", "goes"]))
        if fate == "stays" or (fate == "goes" and any(draft.rule.id in _named(other.spec) for other in before)):
            found.append(draft)
        elif fate == "renamed":
            found.append(draft.having({"title": {"zh": "另一题", "en": "Another title"}}))
        elif fate == "altered":
            resolved = ["blue", "red"] if draft.rule.auto_resolve != {"blue", "red"} else ["yellow"]
            found.append(draft.having({"auto_resolve": resolved}, auto_resolve=frozenset(resolved)))
        elif fate == "replaced":
            staying = [identity for identity in ids if any(identity in _named(other.spec) for other in before)]
            other = draw(_rule(unit, _number(draft.rule.id), staying))
            found.append(Draft(other.spec | {"id": draft.rule.id}, replace(other.rule, id=draft.rule.id)))
    if not found or draw(st.integers(0, 2)) == 2:
        newest = max(map(_number, ids)) + 1
        found.append(draw(_rule(unit, newest, [draft.rule.id for draft in found])))
    return found[::-1] if draw(st.booleans()) else found


def _number(rule: str) -> int:
    return int(rule.rsplit("-", 1)[1])


def _named(spec: Mapping[str, Any]) -> set[str]:
    """The rules that a rule over alerts names."""
    text = json.dumps(spec, ensure_ascii=False)
    found = [one or several for one, several in _NAMING.findall(text)]
    return {name.strip(" '") for names in found for name in names.split(",")}


def files(drafts_: Sequence[Draft], unit: int, beside: Tables, way: str = "plain") -> RuleFiles:
    above = {draft.rule.id: _named(draft.spec) for draft in drafts_ if "alert" in draft.rule.feeds}

    def level(rule: str) -> int:
        return 1 + max((level(other) for other in above[rule] if other in above), default=0) if rule in above else 0

    rules = [
        replace(
            draft.rule,
            # Of a rule over alerts it counts how high it stands.
            version=f"{_meaning(draft.spec)} {level(draft.rule.id)}",
            named=frozenset(above.get(draft.rule.id, set()) & set(above)),
            level=level(draft.rule.id),
        )
        for draft in drafts_
    ]
    text = written([draft.spec for draft in drafts_], way)
    texts, rows = beside
    return RuleFiles({"feeds.yaml": catalog_yaml(unit), "rules.yaml": text} | texts, rules, rows)


def _meaning(spec: dict[str, Any]) -> str:
    """Titles and summaries are no part of what a rule means."""
    return json.dumps({name: value for name, value in spec.items() if name not in ("title", "summary")}, sort_keys=True)


@st.composite
def _first(draw: st.DrawFn, unit: int, most: int) -> list[Draft]:
    found: list[Draft] = []
    for index in range(draw(st.integers(1, most))):
        found.append(draw(_rule(unit, index, [draft.rule.id for draft in found])))
    return found


@st.composite
def cases(draw: st.DrawFn, *, most_rules: int = 3, most_ops: int = 60, changes: bool = True) -> Case:
    """A rule set, perhaps others that follow it, and a stream that concerns them."""
    unit = draw(st.sampled_from([SECOND_MS, SECOND_MS, WATCH_MS]))
    sets = [draw(_first(unit, most_rules))]
    if changes and draw(st.integers(0, 2)) == 2:
        sets.append(draw(_next(unit, sets[0])))
        if draw(st.booleans()):
            sets.append(draw(_next(unit, sets[1])))
    used = sorted({feed for one in sets for draft in one for feed in draft.rule.feeds} - {"alert"}) or ["alpha"]
    feeds = [*used, *used, draw(st.sampled_from([*used, *FEEDS]))]
    receipts = draw(st.booleans())
    steps = draw(drafts(most_ops, changing=len(sets) > 1))
    found = ops(steps, unit, feeds, receipts=receipts, live=draw(st.integers(0, 2)) == 2, sets=len(sets))
    if draw(st.integers(0, 3)):
        latest = max([BASE_MS] + [op[1]["time"] if op[0] == "event" else _at(op) for op in found])
        found.append(("end", draw(st.sampled_from([None, None, latest + 3 * unit, latest + 200 * unit]))))
    return Case(ref_feeds(unit), [files(one, unit, draw(tables()), draw(st.sampled_from(WAYS))) for one in sets], found)


def _at(op: tuple[Any, ...]) -> int:
    at: int = op[1] if op[0] in ("tick", "rules") else op[-1]
    return at
