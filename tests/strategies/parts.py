"""Parts of rules that several kinds share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from tests.expressions.drawn import conditions, weighted
from tests.expressions.sql import sql
from tests.expressions.trees import Tree, columns
from tests.strategies.draft import condition
from tests.strategies.tables import looked_up
from tests.strategies.world import SEVERITIES, types_of

#: What a condition over alerts asks for.
_WORDS = {
    "type": ("opened", "opened", "escalated", "updated", "closed", "acked", "resolved"),
    "state": ("open", "resolved"),
    "condition": ("active", "cleared"),
    "severity": ("red", "blue"),
    "reason": ("rule_removed", "rule_changed"),
}

Part = tuple[dict[str, Any], dict[str, Any]]
Rungs = list[tuple[str, "Tree | None"]]


def keys(feeds: set[str]) -> st.SearchStrategy[list[str] | None]:
    """Key fields that every feed has with one type; None leaves ``by`` out."""
    common = [n for n in types_of(min(feeds)) if len({types_of(feed).get(n) for feed in feeds}) == 1]
    if feeds == {"alert"}:
        fields = [["rule"], ["subject"], ["domain"], ["severity"], ["alert"], ["rule", "subject"], ["shadow"], ["rank"]]
        return st.sampled_from([["domain"], None, *fields])
    plain = st.sampled_from([None, None, ["subject"], ["region", "subject"], ["tag"], ["source"]])
    if "alert" in feeds:
        plain = st.sampled_from([None, ["subject"], ["region"]])
    odd = [[name] for name in common if name in ("num", "flag", "x")]
    return weighted((4, plain), (1, st.sampled_from([*odd, ["tag", "subject"]]) if "tag" in common else plain))


def over(feed: str, depth: int, rules: tuple[str, ...] = ()) -> st.SearchStrategy[Tree]:
    """A condition over events of this feed."""
    return conditions(types_of(feed), depth) if feed != "alert" else about(rules)


def about(rules: tuple[str, ...]) -> st.SearchStrategy[Tree]:
    """A condition over transitions; ``rules`` are those that it may name."""
    words = [(name, word) for name, some in _WORDS.items() for word in some]
    single: list[Tree] = [("textcmp", "=", ("col", name), ("text", word)) for name, word in words]
    single += [("cmp", ">=", ("col", name), ("lit", least)) for name in ("rank", "n", "count") for least in (2, 3)]
    single += [("col", "shadow"), ("null", ("col", "by"), True), ("null", ("col", "reason"), True), ("true",)]
    single += [("prefix", ("col", "rule"), "a"), ("prefix", ("col", "key"), '{"s'), ("null", ("col", "subject"), False)]
    choices: list[st.SearchStrategy[Tree]] = [st.sampled_from(single)]
    if rules:
        named: list[Tree] = [("textcmp", "=", ("col", "rule"), ("text", rule)) for rule in rules]
        named.append(("in", ("col", "rule"), [("text", rule) for rule in rules], False))
        choices.append(st.sampled_from(named))
        choices.append(st.tuples(st.sampled_from(["and", "or"]), st.sampled_from(named), st.sampled_from(single)))
    choices.append(st.tuples(st.just("and"), st.sampled_from(single), st.sampled_from(single)))
    return st.one_of(choices)


@st.composite
def where(draw: st.DrawFn, feed: str, rules: tuple[str, ...] = ()) -> Part:
    """``where``, or nothing. ``rules``: which a rule over alerts may name."""
    if draw(st.booleans()):
        return {}, {}
    types = types_of(feed)
    tree = draw(over(feed, 1, rules))
    if draw(st.integers(0, 3)) == 3:
        asked = draw(looked_up(types))
        tree = draw(st.sampled_from([asked, ("and", tree, asked), ("or", tree, asked)]))
    return {"where": sql(tree)}, {"where": condition(tree)}


@st.composite
def ladder(
    draw: st.DrawFn, types: Mapping[str, str], judged: st.SearchStrategy[Tree] | None = None
) -> tuple[Tree, Rungs, Tree | None]:
    """``when``, severities and ``clear``: half of them as people write them, with thresholds of one number.

    ``judged``: conditions, where they are not any over ``types``.
    """
    plain = conditions(types, 1) if judged is None else judged
    numeric = [name for name, kind in types.items() if kind in ("number", "integer")]
    size = draw(st.sampled_from([1, 2, 2, 3]))
    words = sorted(draw(st.sets(st.sampled_from(SEVERITIES), min_size=size, max_size=size)), key=SEVERITIES.index)
    if numeric and draw(st.booleans()):
        name = ("col", draw(st.sampled_from(numeric)))
        limit = draw(st.integers(1, 6))
        steps = sorted(draw(st.sets(st.integers(2, 12), min_size=len(words), max_size=len(words))), reverse=True)
        rungs: Rungs = [(word, ("cmp", ">=", name, ("lit", step))) for word, step in zip(words, steps, strict=True)]
        when: Tree = ("cmp", ">", name, ("lit", limit))
        low = ("lit", limit - draw(st.integers(-2, 3)))
        clear = draw(weighted((2, st.none()), (1, st.just(("cmp", "<", name, low)))))
    else:
        when = draw(weighted((5, plain), (1, st.just(("true",)))))
        rungs = [(word, draw(conditions(types, 0))) for word in words]
        clear = draw(weighted((3, st.none()), (1, plain)))
    if "subject" in types and draw(st.integers(0, 5)) == 5:
        rungs[0] = (words[0], draw(looked_up(types)))
    if draw(st.integers(0, 3)):
        rungs[-1] = (words[-1], None)
    return when, rungs, clear


def severities(rungs: Rungs) -> Part:
    spec: Any = {word: "true" if tree is None else sql(tree) for word, tree in rungs}
    if len(rungs) == 1 and rungs[0][1] is None:
        spec = rungs[0][0]
    return {"severity": spec}, {"ladder": tuple((word, condition(tree)) for word, tree in rungs)}


@st.composite
def episode(
    draw: st.DrawFn, unit: int, types: Mapping[str, str], judged: st.SearchStrategy[Tree] | None = None
) -> tuple[dict[str, Any], dict[str, Any], set[str]]:
    """What rules of kind each and window share: when, clear, severity, hold, update_every; and the names they read."""
    when, rungs, clear = draw(ladder(types, judged))
    spec, rule = severities(rungs)
    spec = {"when": sql(when)} | spec
    rule["when"] = condition(when)
    read = set().union(*map(columns, [when, clear, *(tree for _, tree in rungs)]))
    if clear is not None:
        spec["clear"], rule["clear"] = sql(clear), condition(clear)
    if draw(st.integers(0, 3)) == 3:
        rule["hold"] = draw(st.sampled_from([1, 3, 10])) * unit
        spec["hold"] = f"{rule['hold']}ms"
    if draw(st.booleans()):
        rule["update_every"] = draw(st.sampled_from([1, 0, 2, 4, 8, 60])) * unit
        spec["update_every"] = f"{rule['update_every']}ms"
    return spec, rule, read


def clear_after(unit: int) -> st.SearchStrategy[Part]:
    """As given in the rule; left out, the default of the kind applies."""
    given = st.sampled_from([1, 2, 5, 12, 30]).map(
        lambda n: ({"clear_after": f"{n * unit}ms"}, {"clear_after": n * unit})
    )
    return weighted((3, st.just(({}, {}))), (3, given), (1, st.just(({"clear_after": "never"}, {"clear_after": None}))))
