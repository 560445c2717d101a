"""Expressions in words: reads the tree that the language's own parser makes, and says it in a language."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from sqlglot import exp

from rules.expressions.aggregates import COUNT_DISTINCT
from rules.expressions.tree import bare, parse, strung
from rules.words.lexicon import WEEKDAYS, duration, number
from rules.words.said import Name, Said, Sort
from rules.words.tongue import Tongue

#: What a name of an expression is called.
Names = Callable[[str], Name]

_SIGNS: dict[type[exp.Expression], str] = {
    exp.EQ: "=",
    exp.NEQ: "<>",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
}
_TURNED = {"=": "=", "<>": "<>", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_DENIED = {"=": "<>", "<>": "=", "<": ">=", "<=": ">", ">": "<=", ">=": "<"}
_ARITHMETIC: dict[type[exp.Expression], str] = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/", exp.Mod: "%"}
_AGGREGATES = frozenset(
    {"count", COUNT_DISTINCT, "sum", "avg", "min", "max", "stddev", "median", "quantile", "first", "last"}
)
_CALLED: dict[str, Sort] = {
    "lower": "string",
    "upper": "string",
    "length": "count",
    "abs": "number",
    "round": "number",
    "hour": "hour",
    "weekday": "weekday",
    "day": "day",
    "month": "month",
}
_PLAIN_WORDS = re.compile(r"[^\\.+*?()\[\]{}^$]+")
#: Sorts that come out of the same sort by arithmetic.
_KEPT: tuple[Sort, ...] = ("count", "number")


class Teller:
    """``span``: the window that aggregates run over, in words before a mean (小时, hourly); empty where there is none.

    ``over_windows``: aggregates run over earlier windows.
    """

    def __init__(self, names: Names, tongue: Tongue, *, span: str = "", over_windows: bool = False) -> None:
        self._names = names
        self._tongue = tongue
        self._span = span
        self._over_windows = over_windows

    def condition_of(self, text: str) -> str:
        """A condition as one clause."""
        return self.condition(parse(text))

    def conditions_of(self, text: str) -> tuple[str, list[str]]:
        """A condition as its topmost parts and the word that joins them: and, or; empty where it has one part."""
        node = bare(parse(text))
        for kind, word in ((exp.And, "and"), (exp.Or, "or")):
            if isinstance(node, kind):
                return word, [self.condition(part) for part in strung(node, kind)]
        return "", [self.condition(node)]

    def value_of(self, text: str) -> Said:
        return self.value(parse(text))

    # --- conditions

    def condition(self, node: exp.Expression, *, denied: bool = False) -> str:
        """A clause that says when it holds, or when it does not."""
        node = bare(node)
        match node:
            case exp.And() | exp.Or():
                text = self._logical(node)
                return self._tongue.denied(text) if denied else text
            case exp.Not():
                return self.condition(node.this, denied=not denied)
            case exp.EQ() | exp.NEQ() | exp.LT() | exp.LTE() | exp.GT() | exp.GTE():
                sign = _SIGNS[type(node)]
                return self._compared(node.this, _DENIED[sign] if denied else sign, node.expression)
            case exp.Between():
                return self._between(node, denied=denied)
            case exp.In():
                return self._in(node, denied=denied)
            case exp.Is():
                return self._is(node, denied=denied)
            case exp.Like() | exp.Escape():
                return self._like(node, denied=denied)
            case exp.Boolean():
                return self._tongue.always(holds=bool(node.this) != denied)
            case exp.Null():
                return self._tongue.always(holds=False)
            case exp.Anonymous() if _function(node) in ("starts_with", "regexp_like"):
                return self._text_function(node, denied=denied)
            case _:
                return self._tongue.truth(self.value(node).text, holds=not denied)

    def _logical(self, node: exp.Expression) -> str:
        kind: type[exp.Expression] = exp.And if isinstance(node, exp.And) else exp.Or
        parts = []
        for part in strung(node, kind):
            text = self.condition(part)
            parts.append(self._tongue.bracket(text) if isinstance(bare(part), exp.And | exp.Or) else text)
        return self._tongue.joined(parts, "and" if kind is exp.And else "or")

    def _compared(self, left_node: exp.Expression, sign: str, right_node: exp.Expression) -> str:
        if _constant(left_node) is not None and _constant(right_node) is None:
            left_node, sign, right_node = right_node, _TURNED[sign], left_node
        left, right = self._pair(left_node, right_node)
        tongue = self._tongue
        if right.number is not None:
            if left.sort == "hour" and float(right.number).is_integer():
                return tongue.at_hours(left.of[0], sign, int(right.number))
            if left.sort == "seconds" and right.number >= 0:
                return tongue.apart(sign, left.of[0], left.of[1], self._seconds(right.number))
            day = self._weekday(left, right)
            if day and sign in ("=", "<>"):
                return tongue.one_of(left.of[0], [day], negated=sign == "<>")
        if "boolean" in (left.sort, right.sort):
            truth = bare(right_node)
            if isinstance(truth, exp.Boolean) and sign in ("=", "<>"):
                return tongue.truth(left.text, holds=bool(truth.this) == (sign == "="))
        sort: Sort = next((s for s in ("time", "string", "boolean") if s in (left.sort, right.sort)), "number")
        if sort == "number" and left.sort == "count":
            sort = "count"
        return tongue.compared(left.text, sign, self._glossed(left, right), sort)

    def _pair(self, left_node: exp.Expression, right_node: exp.Expression) -> tuple[Said, Said]:
        """Both sides; a constant takes the other side's unit."""
        left = self.value(left_node)
        right = self.value(right_node, unit=left.unit)
        if right.unit and not left.unit:
            left = self.value(left_node, unit=right.unit)
        return left, right

    def _glossed(self, value: Said, option: Said) -> str:
        """A literal with what it means for the field that it is compared with."""
        meaning = value.glossary.get(option.literal or "")
        return option.text + self._tongue.bracket(meaning) if meaning else option.text

    def _seconds(self, seconds: float) -> str:
        return duration(round(seconds * 1000), self._tongue.language)

    def _weekday(self, value: Said, option: Said) -> str:
        if value.sort == "weekday" and option.number in range(1, 8):
            return WEEKDAYS[self._tongue.language][int(option.number or 1) - 1]
        return ""

    def _between(self, node: exp.Between, *, denied: bool) -> str:
        value = self.value(node.this)
        low, high = (self.value(node.args[end], unit=value.unit) for end in ("low", "high"))
        if low.number is not None and high.number is not None:
            if value.sort == "hour":
                return self._tongue.at_hours(value.of[0], "", int(low.number), int(high.number), negated=denied)
            if value.sort == "seconds":
                ends = "0" if low.number == 0 else self._seconds(low.number), self._seconds(high.number)
                return self._tongue.apart_between(value.of[0], value.of[1], *ends, negated=denied)
        return self._tongue.between(value.text, low.text, high.text, negated=denied)

    def _in(self, node: exp.In, *, denied: bool) -> str:
        items = node.args.get("expressions") or []
        value = self.value(node.this)
        call = node.args.get("field")
        if isinstance(call, exp.Anonymous):  # list('file.csv', 'column')
            names = [str(argument.this) for argument in call.expressions]
            return self._tongue.in_file(value.text, names[0], names[1] if len(names) > 1 else None, negated=denied)
        options = [self.value(item, unit=value.unit) for item in items]
        days = [self._weekday(value, option) for option in options]
        if all(days):
            return self._tongue.one_of(value.of[0], days, negated=denied)
        return self._tongue.one_of(value.text, [self._glossed(value, option) for option in options], negated=denied)

    def _is(self, node: exp.Is, *, denied: bool) -> str:
        right = node.expression
        if isinstance(right, exp.Null):
            return self._tongue.missing(self.value(node.this).text, negated=denied)
        return self.condition(node.this, denied=denied == bool(right.this))

    def _like(self, node: exp.Expression, *, denied: bool) -> str:
        like = node.this if isinstance(node, exp.Escape) else node
        pattern = str(like.expression.this)
        denied = denied != bool(like.args.get("negate"))
        value = self.value(like.this).text
        if isinstance(node, exp.Escape):
            escape = str(node.expression.this)
            return self._tongue.matches(value, "like", pattern.replace(escape, ""), negated=denied)
        inner = pattern.strip("%")
        if "%" in inner or "_" in inner or not inner:
            return self._tongue.matches(value, "like", pattern, negated=denied)
        before, after = pattern.startswith("%"), pattern.endswith("%")
        how = {(True, True): "contains", (True, False): "ends", (False, True): "begins", (False, False): "is"}
        return self._tongue.matches(value, how[before, after], inner, negated=denied)

    def _text_function(self, node: exp.Anonymous, *, denied: bool) -> str:
        value, second = self.value(node.expressions[0]).text, self.value(node.expressions[1])
        text = second.literal if second.literal is not None else second.text
        if _function(node) == "starts_with":
            return self._tongue.matches(value, "begins", text, negated=denied)
        words = text.split("|")
        if all(_PLAIN_WORDS.fullmatch(word) for word in words):
            if len(words) > 1:
                return self._tongue.contains_any(value, words, negated=denied)
            return self._tongue.matches(value, "contains", text, negated=denied)
        return self._tongue.matches(value, "pattern", text, negated=denied)

    # --- values

    def value(self, node: exp.Expression, *, unit: str = "") -> Said:
        """A noun phrase. ``unit``: what a constant is counted in here."""
        node = bare(node)
        constant = _constant(node)
        if constant is not None:
            text = number(constant)
            return Said(f"{text} {unit}" if unit else text, "number", number=constant)
        match node:
            case exp.Literal():
                return Said(self._tongue.quoted(str(node.this)), "string", literal=str(node.this))
            case exp.Null():
                return Said(self._tongue.nothing())
            case exp.Column() | exp.Identifier():
                name = self._names(node.name)
                return Said(name.text, name.sort, name.unit, glossary=name.glossary)
            case exp.Neg():
                inner = self.value(node.this, unit=unit)
                return Said(self._tongue.minus(self._tight(inner)), inner.sort, inner.unit)
            case exp.Case():
                return self._case(node, unit)
            case exp.Anonymous():
                return self._call(node, unit)
            case exp.DPipe():
                left, right = self.value(node.this), self.value(node.expression)
                return Said(self._tongue.arithmetic("||", left.text, right.text), "string", loose=True)
            case exp.Boolean():
                return Said(self._tongue.truth("", holds=bool(node.this)), "boolean")
            case _ if type(node) in _ARITHMETIC:
                return self._arithmetic(node, unit)
            case _:
                return Said(self._tongue.bracket(self.condition(node)), "boolean")

    def _tight(self, said: Said) -> str:
        return self._tongue.bracket(said.text) if said.loose and said.text[-1] not in "〕]" else said.text

    def _arithmetic(self, node: exp.Expression, unit: str) -> Said:
        sign = _ARITHMETIC[type(node)]
        if sign == "*":
            factor, other = _constant(node.this), node.expression
            if factor is None:
                factor, other = _constant(node.expression), node.this
            if factor is not None and factor > 0:
                inner = self.value(other, unit=unit)
                return Said(self._tongue.times(self._tight(inner), factor), inner.sort, inner.unit)
        left, right = (
            self._pair(node.this, node.expression)
            if sign in "+-"
            else (self.value(node.this), self.value(node.expression))
        )
        if sign == "-" and left.sort == right.sort == "time":
            return Said(self._tongue.difference(left.text, right.text), "seconds", of=(left.text, right.text))
        sort: Sort = left.sort if left.sort in _KEPT and sign in "+-" else "number"
        if sign == "/" and right.number is None:
            return Said(self._tongue.ratio(self._tight(left), self._tight(right)), "number", loose=True)
        kept = left.unit or right.unit if sign in "+-" else left.unit if right.number is not None else ""
        return Said(self._tongue.arithmetic(sign, self._tight(left), self._tight(right)), sort, kept, loose=True)

    def _case(self, node: exp.Case, unit: str) -> Said:
        subject = node.args.get("this")
        cases: list[tuple[str, str]] = []
        results: list[Said] = []
        for branch in node.args["ifs"]:
            tested = exp.EQ(this=subject.copy(), expression=branch.this.copy()) if subject is not None else branch.this
            results.append(self.value(branch.args["true"], unit=unit))
            cases.append((self.condition(tested), results[-1].text))
        default = node.args.get("default")
        if default is not None:
            results.append(self.value(default, unit=unit))
        said = self._tongue.choice(cases, results[-1].text if default is not None else None)
        known = next((result.unit for result in results if result.unit), "")
        return Said(said, results[0].sort, known, loose=True)

    def _call(self, node: exp.Anonymous, unit: str) -> Said:
        function, arguments = _function(node), list(node.expressions)
        if function in _AGGREGATES:
            return self._aggregate(function, arguments)
        if function == "coalesce":
            values = [self.value(argument, unit=unit) for argument in arguments]
            known = next((value.unit for value in values if value.unit), unit)
            values = [self.value(argument, unit=known) for argument in arguments]
            return Said(self._tongue.or_else([value.text for value in values]), values[0].sort, known)
        if function in ("greatest", "least"):
            values = [self.value(argument, unit=unit) for argument in arguments]
            known = next((value.unit for value in values if value.unit), unit)
            texts = [self._tight(self.value(argument, unit=known)) for argument in arguments]
            said = self._tongue.extreme(texts, greatest=function == "greatest")
            return Said(said, values[0].sort, known, loose=True)
        values = [self.value(argument) for argument in arguments]
        if function == "lookup":
            file, column = (value.literal or value.text for value in values[:2])
            return Said(self._tongue.looked_up(file, column, [value.text for value in values[2:]]), loose=True)
        if function in _CALLED:
            first = values[0]
            sort = _CALLED[function]
            kept = first.unit if function in ("abs", "round") else ""
            return Said(self._tongue.called(function, [value.text for value in values]), sort, kept, of=(first.text,))
        return Said(self._tongue.bracket(self.condition(node)), "boolean")

    def _aggregate(self, op: str, arguments: list[exp.Expression]) -> Said:
        if not self._over_windows:
            return self._aggregated(op, arguments)
        first = bare(arguments[0])
        if op == "count":
            value = None if isinstance(first, exp.Star) else self.value(first)
            # a window without events counts none, it does not lack its count
            return Said(self._tongue.windows(None if value is None or value.sort == "count" else value.text), "count")
        said = self._aggregated(op, arguments)
        return replace(said, text=self._tongue.earlier(said.text))

    def _aggregated(self, op: str, arguments: list[exp.Expression]) -> Said:
        tongue = self._tongue
        first = bare(arguments[0])
        if op == COUNT_DISTINCT:
            return Said(tongue.aggregated("distinct", self.value(first).text), "count")
        if op == "count":
            if isinstance(first, exp.Star) or _constant(first) is not None:
                return Said(tongue.events(), "count")
            return Said(tongue.aggregated("count", self.value(first).text), "count")
        counted = _counted(first) if op == "sum" else None
        if counted is not None:
            return Said(tongue.events(self.condition(counted)), "count")
        inner = self.value(first)
        if self._over_windows:  # of windows, not of events
            inner = replace(inner, text=self._tight(inner), loose=False)
        if op == "quantile":
            return Said(tongue.aggregated(op, inner.text, _constant(arguments[1])), "number", inner.unit)
        if op == "avg" and self._span:
            text = tongue.aggregated("avg", inner.text, span=self._span, loose=inner.loose)
            return Said(text, "number", inner.unit)
        sort: Sort = inner.sort if op in ("first", "last", "min", "max") else "number"
        return Said(tongue.aggregated(op, inner.text, loose=inner.loose), sort, inner.unit)


def _function(node: exp.Expression) -> str:
    return str(node.this).rpartition("@")[0].lower()


def _constant(node: exp.Expression) -> float | None:
    """The number that an expression of constants comes to."""
    node = bare(node)
    if isinstance(node, exp.Literal) and not node.args.get("is_string"):
        text = str(node.this)
        return int(text) if text.isdigit() else float(text)
    if isinstance(node, exp.Neg):
        inner = _constant(node.this)
        return None if inner is None else -inner
    sign = _ARITHMETIC.get(type(node))
    if sign is None:
        return None
    left, right = _constant(node.this), _constant(node.expression)
    if left is None or right is None or (sign in "/%" and not right):
        return None
    match sign:
        case "+":
            return left + right
        case "-":
            return left - right
        case "*":
            return left * right
        case "/":
            return left / right
        case _:
            return None


def _counted(node: exp.Expression) -> exp.Expression | None:
    """The condition of ``CASE WHEN condition THEN 1 ELSE 0 END``."""
    if not isinstance(node, exp.Case) or node.args.get("this") is not None or len(node.args["ifs"]) != 1:
        return None
    branch, default = node.args["ifs"][0], node.args.get("default")
    if _constant(branch.args["true"]) != 1 or (default is not None and _constant(default) != 0):
        return None
    condition: exp.Expression = branch.this
    return condition
