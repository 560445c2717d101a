"""Small words in two languages: durations, severities, numbers, and the fields that every event has."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction

from rules.words.said import Language

DAY_MS = 86_400_000
_UNITS: tuple[tuple[int, str, str], ...] = (
    (DAY_MS, " 天", "day"),
    (3_600_000, " 小时", "hour"),
    (60_000, " 分钟", "minute"),
    (1_000, " 秒", "second"),
    (1, " 毫秒", "millisecond"),
)
SEVERITY: dict[Language, dict[str, str]] = {
    "zh": {"red": "红色（一级）", "orange": "橙色（二级）", "yellow": "黄色（三级）", "blue": "蓝色（四级）"},
    "en": {
        "red": "red (level 1)",
        "orange": "orange (level 2)",
        "yellow": "yellow (level 3)",
        "blue": "blue (level 4)",
    },
}
#: Fields of every event.
ENVELOPE_WORDS: dict[str, tuple[str, str]] = {
    "id": ("事件编号", "the event id"),
    "feed": ("数据类别", "the feed"),
    "source": ("来源平台", "the source"),
    "time": ("事件时间", "the time of the event"),
    "region": ("行政区划", "the region"),
    "subject": ("监管对象", "the subject"),
    "lon": ("经度", "the longitude"),
    "lat": ("纬度", "the latitude"),
}
#: What the values of the alert feed mean, as the board says it; in English they say it themselves.
ALERT_GLOSSARY: dict[str, dict[str, str]] = {
    "type": {
        "opened": "开启",
        "updated": "更新",
        "escalated": "升级",
        "closed": "恢复",
        "acked": "认领",
        "assigned": "指派",
        "noted": "备注",
        "resolved": "处置",
        "reopened": "重新打开",
        "silenced": "静默",
    },
    "severity": {"red": "红色", "orange": "橙色", "yellow": "黄色", "blue": "蓝色"},
    "state": {"open": "待认领", "acked": "已认领", "assigned": "已指派", "resolved": "已处置"},
    "condition": {"active": "持续", "cleared": "已恢复"},
    "reason": {"rule_removed": "规则撤下", "rule_changed": "规则改动"},
}
WEEKDAYS: dict[Language, tuple[str, ...]] = {
    "zh": ("星期一", "星期二", "星期三", "星期四", "星期五", "星期六", "星期日"),
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
}
#: Units of the catalogue that are no signs.
UNITS_EN = {"元": "yuan", "万元": "× 10,000 yuan", "天": "days", "小时": "hours", "分钟": "minutes", "次": "times"}
_SEVERAL = re.compile("[或与和]")
_ASIDE = re.compile(r"\s*[（(][^（）()]*[）)]\s*$")


def duration(ms: int, language: Language) -> str:
    """A length of time in words.

    >>> duration(5_400_000, "zh"), duration(5_400_000, "en"), duration(86_400_000, "en")
    ('1 小时 30 分钟', '1 hour 30 minutes', '1 day')
    """
    parts = []
    for size, zh, en in _UNITS:
        count, ms = divmod(ms, size)
        if count:
            parts.append(f"{count}{zh}" if language == "zh" else f"{count} {en}{'s' if count > 1 else ''}")
    return " ".join(parts) or ("0 秒" if language == "zh" else "0 seconds")


def every(ms: int, language: Language) -> str:
    """How often.

    >>> every(60_000, "zh"), every(600_000, "zh"), every(60_000, "en"), every(600_000, "en")
    ('每分钟', '每 10 分钟', 'every minute', 'every 10 minutes')
    """
    text = duration(ms, language)
    single = text.startswith("1 ") and text.count(" ") == 1
    if language == "zh":
        return f"每{text[2:]}" if single else f"每 {text}"
    return f"every {text[2:] if single else text}"


def number(value: float) -> str:
    """A number as people write it.

    >>> number(0.5), number(500000), number(2.0), number(1 / 60)
    ('0.5', '500,000', '2', '1/60')
    """
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{int(value):,}" if abs(value) >= 10_000 else str(int(value))
    short = f"{value:.6g}"
    if float(short) == value:
        return short
    ratio = Fraction(value).limit_denominator(1_000)
    exact = abs(float(ratio) - value) < 1e-12 * abs(value)
    return f"{ratio.numerator}/{ratio.denominator}" if exact else f"{value:.10g}"


def title(text: str, language: Language) -> str:
    """A field's title as it stands within a sentence: without its aside, in English without its capital.

    >>> (
    ...     title("有效期至", "zh"),
    ...     title("报价或成交价", "zh"),
    ...     title("Sentiment (-1 to 1)", "en"),
    ...     title("PM level", "en"),
    ... )
    ('有效期', '「报价或成交价」', 'the sentiment', 'the PM level')
    """
    plain = _ASIDE.sub("", text) or text
    if language == "zh":
        short = plain.removesuffix("至") or plain
        return f"「{short}」" if _SEVERAL.search(short) else short
    return f"the {plain[0].lower() + plain[1:] if len(plain) > 1 and plain[1].islower() else plain}"


def listed(words: Sequence[str], language: Language, *, last: str = "") -> str:
    """Words one after another. ``last``: what stands before the last one (和, and, or)."""
    if language == "zh":
        return "、".join(words[:-1]) + (last or "、") + words[-1] if len(words) > 1 else "".join(words)
    if len(words) < 2 or not last:
        return ", ".join(words)
    return f"{', '.join(words[:-1])} {last} {words[-1]}"


def side_by_side(*parts: str) -> str:
    """Parts side by side, with a space between Chinese and a figure or a Latin letter.

    >>> side_by_side("超过", "80 km/h", "时"), side_by_side("早于", "限期")
    ('超过 80 km/h 时', '早于限期')
    """
    out = ""
    for part in parts:
        gap = out and part and out[-1].isascii() != part[0].isascii() and " " not in (out[-1], part[0])
        out += f" {part}" if gap else part
    return out
