"""A tree as the text of a rule file."""

from __future__ import annotations

from tests.expressions.trees import Tree


def sql(tree: Tree) -> str:
    match tree:
        case ("col", name):
            return str(name)
        case ("lit", value):
            return f"({value})" if value < 0 else str(value)
        case ("text", value):
            return f"'{value}'"
        case ("op" | "cmp" | "textcmp", sign, left, right):
            return f"({sql(left)} {sign} {sql(right)})"
        case ("abs" | "length" as name, inner):
            return f"{name}({sql(inner)})"
        case ("coalesce", inner, other):
            return f"COALESCE({sql(inner)}, {sql(other)})"
        case ("most" | "part", name, parts):
            return f"{name}({', '.join(map(sql, parts if tree[0] == 'most' else [parts]))})"
        case ("case", condition, then, other):
            return f"CASE WHEN {sql(condition)} THEN {sql(then)} ELSE {sql(other)} END"
        case ("and" | "or" as word, left, right):
            return f"({sql(left)} {word.upper()} {sql(right)})"
        case ("not", inner):
            return f"(NOT {sql(inner)})"
        case ("null", inner, negated):
            return f"({sql(inner)} IS {_not(negated)}NULL)"
        case ("in", inner, values, negated):
            return f"({sql(inner)} {_not(negated)}IN ({', '.join(map(sql, values))}))"
        case ("between", inner, low, high):
            return f"({sql(inner)} BETWEEN {sql(low)} AND {sql(high)})"
        case ("prefix", inner, text):
            return f"starts_with({sql(inner)}, '{text}')"
        case ("like", inner, text):
            return f"({sql(inner)} LIKE '{text}%')"
        case ("upper", inner, text):
            return f"(upper({sql(inner)}) = '{text.upper()}')"
        case ("listed", inner, file, column, negated):
            arguments = f"'{file}'" if column is None else f"'{file}', '{column}'"
            return f"({sql(inner)} {_not(negated)}IN list({arguments}))"
        case ("lookup", file, column, fields):
            return f"lookup('{file}', '{column}', {', '.join(fields)})"
        case ("true",):
            return "true"
        case ("agg", op, None):
            return f"{op}(*)"
        case ("agg", "count distinct", inner):
            return f"count(distinct {sql(inner)})"
        case ("agg", op, inner) if op.startswith("quantile "):
            return f"quantile({sql(inner)}, {op.removeprefix('quantile ')})"
        case ("agg", op, inner):
            return f"{op}({sql(inner)})"
    raise AssertionError(tree)


def _not(negated: bool) -> str:
    return "NOT " if negated else ""
