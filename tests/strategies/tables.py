"""Lists and tables beside the rules: drawn for each rule set, so that they change under rules that stay."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from tests.expressions.trees import Tree

_KEYS = ("s1", "s2", "甲站")
_WORDS = ("a", "b", "ab", "A")

Tables = tuple[dict[str, str], dict[str, list[Mapping[str, Any]]]]


@st.composite
def tables(draw: st.DrawFn) -> Tables:
    """-> the CSV files, and their rows."""
    keys = draw(st.sampled_from([("s1",), ("s2",), ("s1", "甲站"), ("s2", "s9")]))
    limits = [(key, draw(st.sampled_from([5, 3, 7, None]))) for key in _KEYS[: draw(st.integers(1, 3))]]
    limits.append(("s9", 4))  # a column without a number would be one of texts
    codes = [
        (key, tag, draw(st.sampled_from(_WORDS)))
        for key in _KEYS[:2]
        for tag in draw(st.sampled_from([("a",), ("a", "b")]))
    ]
    rows: dict[str, list[Mapping[str, Any]]] = {
        "keys.csv": [{"": key} for key in keys],
        "more/limits.csv": [{"subject": key, "bound": bound} for key, bound in limits],
        "codes.csv": [{"subject": key, "tag": tag, "code": code} for key, tag, code in codes],
    }
    files = {name: _csv(of) for name, of in rows.items()}
    return files, rows


def _csv(rows: list[Mapping[str, Any]]) -> str:
    head = [",".join(rows[0])] if "" not in rows[0] else []
    return "\n".join(head + [",".join("" if v is None else str(v) for v in row.values()) for row in rows]) + "\n"


def looked_up(types: Mapping[str, str]) -> st.SearchStrategy[Tree]:
    """A condition that asks a list or a table. ``types`` must have the subject."""
    subject = ("col", "subject")
    negated = st.booleans()
    choices: list[st.SearchStrategy[Tree]] = [
        st.tuples(st.just("listed"), st.just(subject), st.just("keys.csv"), st.none(), negated),
        st.tuples(
            st.just("listed"), st.just(subject), st.just("more/limits.csv"), st.sampled_from([None, "subject"]), negated
        ),
    ]
    bound = ("lookup", "more/limits.csv", "bound", ["subject"])
    for name, kind in types.items():
        if kind in ("number", "integer"):
            choices.append(st.sampled_from([("cmp", sign, ("col", name), bound) for sign in (">", "<=")]))
    if types.get("tag") == "string":
        code = ("lookup", "codes.csv", "code", ["subject", "tag"])
        choices.append(st.sampled_from([("cmp", "=", code, ("text", "a")), ("null", code, False)]))
        choices.append(
            st.tuples(st.just("listed"), st.just(("col", "tag")), st.just("codes.csv"), st.just("code"), negated)
        )
    return st.one_of(choices)
