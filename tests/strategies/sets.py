"""Rule sets, and what becomes of them while they run: rules that stay, change, go and come."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import yaml
from hypothesis import strategies as st

from tests.strategies import kinds
from tests.strategies.case import Case, RuleFiles
from tests.strategies.draft import Draft
from tests.strategies.stream import drafts, ops
from tests.strategies.world import BASE_MS, FEEDS, SECOND_MS, SEVERITIES, WATCH_MS, catalog_yaml, ref_feeds

_KINDS = st.sampled_from(
    [kinds.each, kinds.window, kinds.window, kinds.window, kinds.absent, kinds.sequence, kinds.sequence]
)


@st.composite
def _rule(draw: st.DrawFn, unit: int, index: int) -> Draft:
    draft = draw(draw(_KINDS)(unit))
    extra: dict[str, Any] = {}
    changes: dict[str, Any] = {}
    if draw(st.integers(0, 5)) == 5:
        resolved = draw(st.lists(st.sampled_from(SEVERITIES), max_size=4, unique=True))
        extra["auto_resolve"], changes["auto_resolve"] = resolved, frozenset(resolved)
    if draw(st.integers(0, 9)) == 9:
        mode = draw(st.sampled_from(["shadow", "off"]))
        extra["enabled"], changes["mode"] = {"shadow": "shadow", "off": False}[mode], mode
    identity = f"{draw(st.sampled_from('cab'))}.{draft.rule.kind}-{index}"
    head = {"id": identity, "title": {"zh": "试验", "en": "A test"}, "domain": "testing", "forget": "400d"}
    return Draft(head | draft.spec, replace(draft.rule, id=identity)).having(extra, **changes)


@st.composite
def _next(draw: st.DrawFn, unit: int, before: Sequence[Draft]) -> list[Draft]:
    """The set after a change."""
    found: list[Draft] = []
    for number, draft in enumerate(before):
        fate = draw(st.sampled_from(["stays", "stays", "renamed", "altered", "replaced", "goes"]))
        if fate == "stays":
            found.append(draft)
        elif fate == "renamed":
            found.append(draft.having({"title": {"zh": "另一题", "en": "Another title"}}))
        elif fate == "altered":
            resolved = ["blue", "red"] if draft.rule.auto_resolve != {"blue", "red"} else ["blue"]
            found.append(draft.having({"auto_resolve": resolved}, auto_resolve=frozenset(resolved)))
        elif fate == "replaced":
            other = draw(_rule(unit, number))
            found.append(Draft(other.spec | {"id": draft.rule.id}, replace(other.rule, id=draft.rule.id)))
    if not found or draw(st.integers(0, 2)) == 2:
        found.append(draw(_rule(unit, len(before) + 10)))
    return found[::-1] if draw(st.booleans()) else found


def files(drafts_: Sequence[Draft], unit: int) -> RuleFiles:
    rules = [replace(draft.rule, version=_meaning(draft.spec)) for draft in drafts_]
    text = yaml.safe_dump({"rules": [draft.spec for draft in drafts_]}, sort_keys=False, allow_unicode=True)
    return RuleFiles({"feeds.yaml": catalog_yaml(unit), "rules.yaml": text}, rules)


def _meaning(spec: dict[str, Any]) -> str:
    """Titles and summaries are no part of what a rule means."""
    return json.dumps({name: value for name, value in spec.items() if name not in ("title", "summary")}, sort_keys=True)


@st.composite
def cases(draw: st.DrawFn, *, most_rules: int = 3, most_ops: int = 60, changes: bool = True) -> Case:
    """A rule set, perhaps others that follow it, and a stream that concerns them."""
    unit = draw(st.sampled_from([SECOND_MS, SECOND_MS, WATCH_MS]))
    sets = [[draw(_rule(unit, index)) for index in range(draw(st.integers(1, most_rules)))]]
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
    return Case(ref_feeds(unit), [files(one, unit) for one in sets], found)


def _at(op: tuple[Any, ...]) -> int:
    at: int = op[1] if op[0] in ("tick", "rules") else op[-1]
    return at
