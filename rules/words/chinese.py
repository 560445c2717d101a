"""Expressions in Chinese."""

from __future__ import annotations

from collections.abc import Sequence

from rules.words.lexicon import listed, number, side_by_side
from rules.words.said import Language, Sort
from rules.words.tongue import Tongue

_SIGNS: dict[str, dict[str, str]] = {
    "number": {"=": "等于", "<>": "不等于", "<": "低于", "<=": "不超过", ">": "超过", ">=": "不低于"},
    "count": {"=": "等于", "<>": "不等于", "<": "少于", "<=": "不多于", ">": "多于", ">=": "不少于"},
    "time": {"=": "就是", "<>": "不是", "<": "早于", "<=": "不晚于", ">": "晚于", ">=": "不早于"},
    "string": {"=": "为", "<>": "不是"},
}
#: Texts in their order.
_ORDER = {
    "<": "{}按文字顺序排在{}之前",
    "<=": "{}按文字顺序不在{}之后",
    ">": "{}按文字顺序排在{}之后",
    ">=": "{}按文字顺序不在{}之前",
}
_CALLED = {
    "lower": "{}（不分大小写）",
    "upper": "{}（不分大小写）",
    "length": "{}的字数",
    "abs": "{}的绝对值",
    "round": "{}（四舍五入）",
    "hour": "{}的小时数",
    "weekday": "{}的星期数",
    "day": "{}的日（每月第几天）",
    "month": "{}的月份",
}
_AGGREGATED = {
    "sum": "{}合计",
    "avg": "{}均值",
    "min": "最小{}",
    "max": "最大{}",
    "stddev": "{}标准差",
    "median": "{}中位数",
    "first": "最早的{}",
    "last": "最新的{}",
    "count": "有{}的事件数",
    "distinct": "不同{}的个数",
}
#: What names of aggregates end in.
_NOUNS = ("均值", "标准差", "中位数", "合计", "分位数", "个数", "之比")
#: Of what is more than a name.
_AGGREGATED_LOOSE = {
    "sum": "每个事件{}，合计",
    "avg": "{}的均值",
    "min": "{}的最小值",
    "max": "{}的最大值",
    "stddev": "{}的标准差",
    "median": "{}的中位数",
    "first": "最早一个事件的{}",
    "last": "最新一个事件的{}",
}


class Chinese(Tongue):
    language: Language = "zh"

    def joined(self, parts: Sequence[str], word: str) -> str:
        return ("，且" if word == "and" else "，或").join(parts)

    def bracket(self, text: str) -> str:
        return f"（{text}）"

    def denied(self, text: str) -> str:
        return f"并非（{text}）"

    def compared(self, left: str, sign: str, right: str, sort: Sort) -> str:
        words = _SIGNS.get(sort if sort != "boolean" else "string", _SIGNS["number"])
        return side_by_side(left, words[sign], right) if sign in words else _ORDER[sign].format(left, right)

    def between(self, value: str, low: str, high: str, *, negated: bool) -> str:
        return side_by_side(value, "不在" if negated else "在", low, "到", high, "之间")

    def at_hours(self, time: str, sign: str, hour: int, until: int | None = None, *, negated: bool = False) -> str:
        if until is not None:
            return f"{time}{'不' if negated else ''}在 {hour}:00–{until}:59 之间"
        if sign == "=":
            return f"{time}在 {hour}:00–{hour}:59 之间"
        if sign == "<>":
            return f"{time}不在 {hour}:00–{hour}:59 之间"
        if sign in (">", ">="):
            return f"{time}在 {hour + (sign == '>')}:00 及以后"
        return f"{time}在 {hour + (sign == '<=')}:00 以前"

    def apart(self, sign: str, later: str, earlier: str, span: str) -> str:
        return side_by_side("从", earlier, "到", later, "相隔", _SIGNS["number"][sign], span)

    def apart_between(self, later: str, earlier: str, low: str, high: str, *, negated: bool) -> str:
        return side_by_side("从", earlier, "到", later, "相隔", "不在" if negated else "在", low, "到", high, "之间")

    def one_of(self, value: str, options: Sequence[str], *, negated: bool) -> str:
        if len(options) == 1:
            return side_by_side(value, "不是" if negated else "为", options[0])
        return f"{value}{'不是' if negated else '是'}{'、'.join(options)}{'中的任何一个' if negated else '之一'}"

    def in_file(self, value: str, file: str, column: str | None, *, negated: bool) -> str:
        where = f"名单 {file}" + (f" 的 {column} 列" if column else "")
        return side_by_side(value, "不在" if negated else "在", where, "中")

    def missing(self, value: str, *, negated: bool) -> str:
        return f"{'有' if negated else '没有'}{value}"

    def matches(self, value: str, how: str, text: str, *, negated: bool) -> str:
        no = "不" if negated else ""
        quoted = self.quoted(text)
        return {
            "contains": f"{value}{no}含有{quoted}",
            "begins": f"{value}{no}以{quoted}开头",
            "ends": f"{value}{no}以{quoted}结尾",
            "is": f"{value}{no}为{quoted}",
            "like": f"{value}{no}符合样式{quoted}（% 代表任意文字，_ 代表一个字）",
            "pattern": f"{value}{no}符合正则表达式{quoted}",
        }[how]

    def contains_any(self, value: str, words: Sequence[str], *, negated: bool) -> str:
        quoted = "".join(self.quoted(word) for word in words)
        return f"{value}不含{quoted}中的任何一个" if negated else f"{value}含有{quoted}之一"

    def truth(self, value: str, *, holds: bool) -> str:
        return f"{value}为{'是' if holds else '否'}"

    def always(self, *, holds: bool) -> str:
        return "总是成立" if holds else "从不成立"

    def quoted(self, text: str) -> str:
        return f"“{text}”"

    def times(self, value: str, factor: float) -> str:
        if factor > 1:
            return f"{value}的 {number(factor)} 倍"
        return f"{value}的 {number(round(factor * 100, 6))}%"

    def arithmetic(self, sign: str, left: str, right: str) -> str:
        if sign == "%":
            return f"{left}除以 {right} 的余数"
        if sign == "||":
            return f"{left}接{right}"
        word = {"+": "加", "-": "减", "*": "乘", "/": "除以"}[sign]
        return side_by_side(left, word, right)

    def ratio(self, left: str, right: str) -> str:
        return f"{left}与{right}之比"

    def difference(self, later: str, earlier: str) -> str:
        return f"{earlier}到{later}的秒数"

    def minus(self, value: str) -> str:
        return f"负的{value}"

    def choice(self, cases: Sequence[tuple[str, str]], default: str | None) -> str:
        said = "；".join(side_by_side(condition, "时取", value) for condition, value in cases)
        rest = side_by_side("；其他情况取", default) if default is not None else ""
        return f"〔{said}{rest}〕"

    def or_else(self, values: Sequence[str]) -> str:
        first, *others = values
        return side_by_side(f"{first}（没有时取", "，再没有取".join(side_by_side("", other) for other in others)) + "）"

    def extreme(self, values: Sequence[str], *, greatest: bool) -> str:
        word = f"中{'较' if len(values) == 2 else '最'}{'大' if greatest else '小'}者"
        first, *others = values
        return side_by_side(first, *(part for other in others for part in ("与", other)), word)

    def looked_up(self, file: str, column: str, keys: Sequence[str]) -> str:
        return f"表 {file} 中按{listed(keys, 'zh', last='和')}查到的 {column} 列"

    def called(self, function: str, arguments: Sequence[str]) -> str:
        return _CALLED[function].format(arguments[0])

    def aggregated(
        self, op: str, value: str, quantile: float | None = None, *, span: str = "", loose: bool = False
    ) -> str:
        if op == "quantile":
            assert quantile is not None
            return f"{value}的 {number(round(quantile * 100, 6))}% 分位数"
        if loose and op in _AGGREGATED_LOOSE:
            return _AGGREGATED_LOOSE[op].format(value)
        if span:
            return f"{value}{span}均值"
        of = "的" if value.endswith(_NOUNS) else ""  # a mean of means
        return _AGGREGATED[op].format(f"{value}{of}" if _AGGREGATED[op].startswith("{}") else value)

    def events(self, condition: str | None = None) -> str:
        return "事件数" if condition is None else f"「{condition}」的事件数"

    def earlier(self, value: str) -> str:
        return f"往期{value}"

    def windows(self, value: str | None = None) -> str:
        return "往期窗口数" if value is None else f"有{value}的往期窗口数"

    def nothing(self) -> str:
        return "空"
