"""What to compute of each feed's events: every predicate, measure input and key of all rules once, in one select."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from events.feeds import FeedCatalog
from events.transition import RANK
from rules.arrays import Ints
from rules.calendar import Calendar
from rules.keys import Hashes, KeyIndex
from rules.model import Expr, Rule

#: Text columns kept of a row until it is released: what transitions name.
TEXT = ("id", "region", "subject")
#: The column of region codes, where a rule wants to know where a subject was last heard.
REGION = "@ region"
_HASH_SEED = 0xD157


def ladder(severity: tuple[tuple[str, Expr | None], ...]) -> pl.Expr:
    """A severity ladder as the rank of the first rung that holds; 0 where none does."""
    out: pl.Expr = pl.lit(0, pl.Int8)
    for name, condition in reversed(severity):
        rank = pl.lit(RANK[name], pl.Int8)
        out = rank if condition is None else pl.when(condition.expr).then(rank).otherwise(out)
    return out


def verdict(when: Expr | None, severity: tuple[tuple[str, Expr | None], ...]) -> pl.Expr:
    """0 where ``when`` does not hold (or no rung does), else the rank of the severity."""
    rank = ladder(severity)
    return rank if when is None else pl.when(when.expr).then(rank).otherwise(pl.lit(0, pl.Int8))


def judging(rule: Rule) -> list[Expr]:
    """The conditions of a rule's evaluations."""
    ladder = [condition for _, condition in rule.severity if condition is not None]
    return [expr for expr in (rule.when, rule.clear, *ladder) if expr is not None]


class FeedPlan:
    """The columns that the rules on one feed need. Equal texts are computed once."""

    def __init__(self, feed: str, catalog: FeedCatalog) -> None:
        self.feed = feed
        self.catalog = catalog
        self._exprs: dict[str, pl.Expr] = {}
        #: columns that conditions read
        self._looked_at: set[str] = set()
        #: texts that tables read, by column
        self.texts: dict[str, pl.Expr] = {}
        self._keys: dict[str, tuple[KeyIndex, tuple[str, ...]]] = {}
        #: a column (None: of ones) where a calendar lets it through, else zeros
        self._limited: dict[str, tuple[str | None, Calendar]] = {}
        #: a column (None: of ones) under another name
        self._again: dict[str, str | None] = {}

    def mask(self, where: Expr | None, only: Calendar | None = None, *, since: int = 0) -> str | None:
        """A boolean column; None stands for all rows. ``since``: a rule that came into force later has columns of its own, which
        what waited for the watermark until then does not have: for that rule it never came.
        """
        base = None if where is None else self._add(f"? {where.text}", where.expr.fill_null(value=False))
        limited = base if only is None else self._limit(base, only)
        if not since:
            return limited
        name = f"{limited or '?'} since {since}"
        self._again[name] = limited
        return name

    def number(self, value: Expr) -> str:
        """A float column, NaN for null."""
        return self._add(f"# {value.text}", value.expr.cast(pl.Float64).fill_null(float("nan")))

    def presence(self, value: Expr) -> str:
        """1.0 where there is a value, NaN for null: what ``count(x)`` counts."""
        return self._add(f"! {value.text}", pl.when(value.expr.is_not_null()).then(1.0).otherwise(float("nan")))

    def hashed(self, value: Expr) -> str:
        """64 bits that stand for the value, 0 for null: what ``count(distinct x)`` tells apart."""
        # 0.0 and -0.0 are one number
        plain = value.expr + 0.0 if value.type == "number" else value.expr
        one = pl.lit(1, pl.UInt64)
        return self._add(
            f"~ {value.text}", pl.when(plain.is_not_null()).then(plain.hash(_HASH_SEED) | one).otherwise(one - one)
        )

    def text(self, value: Expr) -> str:
        """A column of texts, kept with a row until it is released."""
        name = f"$ {value.text}"
        self.texts.setdefault(name, value.expr)
        return name

    def verdict(self, rule: Rule) -> str:
        rungs = " | ".join(f"{name}: {condition.text if condition else ''}" for name, condition in rule.severity)
        text = f"{rule.when.text if rule.when else ''} -> {rungs}"
        return self._add(f"= {text}", verdict(rule.when, rule.severity))

    def look(self, rule: Rule) -> None:
        """The rule's conditions are computed where and when they are needed, from the frame itself."""
        self._looked_at |= {column for expr in judging(rule) for column in expr.fields}

    def roles(self, name: str, masks: list[tuple[int, Expr | None]], only: Calendar | None = None) -> str:
        """For a sequence: one bit for each step or ``unless`` that the event could play."""
        bits = [
            pl.lit(1 << bit, pl.Int64)
            if where is None
            else pl.when(where.expr).then(pl.lit(1 << bit, pl.Int64)).otherwise(pl.lit(0, pl.Int64))
            for bit, where in masks
        ]
        base = self._add(f"% {name}", pl.sum_horizontal(bits))
        return base if only is None else self._limit(base, only)

    def key(self, index: KeyIndex) -> str:
        """The codes of a key index; -1 where a field is missing."""
        name = f"@ {index.name}"
        self._keys[name] = (index, tuple(self.catalog.column(self.feed, field) for field in index.by))
        return name

    def reads(self) -> list[str]:
        """The frame's columns that :meth:`compute` looks at."""
        exprs = (*self._exprs.values(), *self.texts.values())
        names = self._looked_at | {name for expr in exprs for name in expr.meta.root_names()}
        names |= {field for _, fields in self._keys.values() for field in fields}
        return sorted(names)

    def columns(self) -> list[str]:
        """What :meth:`compute` makes."""
        return [*self._exprs, *self._limited, *self._again, *self._keys]

    def compute(self, frame: pl.DataFrame, time: Ints) -> dict[str, NDArray[Any]]:
        """All columns for the rows of ``frame``, as numpy arrays."""
        out: dict[str, NDArray[Any]] = {}
        if self._exprs:
            made = frame.select(**self._exprs)
            for name in self._exprs:
                column = made[name]
                if len(column) != len(frame):  # a constant
                    column = column.new_from_index(0, len(frame))
                out[name] = column.to_numpy()
        let_through = {only: only.mask(time) for _, only in self._limited.values()}
        for name, (base, only) in self._limited.items():
            out[name] = let_through[only] if base is None else out[base] * let_through[only]
        for name, same in self._again.items():
            out[name] = np.ones(len(frame), np.bool_) if same is None else out[same]
        hashes: Hashes = {}
        for name, (index, fields) in self._keys.items():
            out[name] = index.encode([frame[field] for field in fields], hashes)
            index.hear(out[name], time)
        return out

    def _limit(self, base: str | None, only: Calendar) -> str:
        name = f"{base or '?'} only {only.text}"
        self._limited[name] = (base, only)
        return name

    def _add(self, name: str, expr: pl.Expr) -> str:
        self._exprs.setdefault(name, expr)
        return name
