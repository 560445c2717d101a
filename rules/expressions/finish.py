"""The last step: a checked value as Polars will compute it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import polars as pl

from rules.expressions.faults import fail
from rules.expressions.value import DTYPES, Value, column_of
from rules.model import Expr, Type

#: Rows to try expressions on.
_SAMPLES: dict[str, pl.Series] = {
    "String": pl.Series(["a", "b", None, ""], dtype=pl.String),
    "Float64": pl.Series([1.5, 0.0, None, -2.0], dtype=pl.Float64),
    "Int64": pl.Series([1, 0, None, -2], dtype=pl.Int64),
    "Boolean": pl.Series([True, False, None, True], dtype=pl.Boolean),
    "Null": pl.Series([None] * 4, dtype=pl.Null),
}


@lru_cache(1024)
def _sample(columns: tuple[tuple[str, str], ...]) -> pl.DataFrame:
    return pl.DataFrame({column: _SAMPLES[dtype] for column, dtype in columns} or {" ": [None] * 4})


def finish(text: str, value: Value, type_: Type, dtypes: Mapping[str, pl.DataType]) -> Expr:
    """The value as Polars will compute it, tried out on a few rows, and always as long as the frame that it is selected from."""
    dtype = DTYPES[type_]
    expr = value.expr
    rows = _sample(tuple((column, str(dtypes[column])) for column in sorted(value.fields)))
    try:
        tried = rows.select(expr.alias("out"))["out"].cast(dtype)
    except pl.exceptions.PolarsError as error:
        fail(0, f"the expression cannot be computed: {str(error).splitlines()[0]}")
    if not value.fields:
        expr = pl.repeat(tried[0], pl.len(), dtype=dtype)
    elif len(tried) != len(rows):
        # Polars makes one row of ``f OR true``
        expr = pl.when(pl.repeat(value=True, n=pl.len())).then(expr)
    return Expr(
        text=text,
        expr=expr,
        type=type_,
        fields=value.fields,
        needs=value.needs,
        plain=value.plain,
        column=column_of(value),
    )
