"""What tuning found: on the terminal, as JSON, as a page."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from html import escape
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from events.times import format_ms
from fengsui.workbench.charts import steps
from fengsui.workbench.page import both, framed
from fengsui.workbench.search import Found, Point
from fengsui.workbench.table import table
from fengsui.workbench.tune import Tuned, written
from fengsui.workbench.width import padded, width

_BAR = 30


def lines(tuned: Tuned, zone: str) -> Iterator[str]:
    """The report, line by line."""
    found, place = tuned.found, tuned.place
    yield f"调阈值 · Tune    {tuned.rule.id}  {tuned.rule.title.get('zh', '')} · {tuned.rule.title.get('en', '')}"
    yield f"数 · number      {place.part}: {place.shown}  ({place.position}/{len(tuned.places)})"
    yield f"时段 · time      {_moment(tuned.stretch.from_ms, zone)} – {_moment(tuned.stretch.to_ms, zone)}  {zone}"
    yield f"历史 · history   {tuned.source}, {tuned.read:,} events, {tuned.replays} replays, {tuned.seconds:.1f} s"
    yield ""
    most = max(*(one.per_day for one in found.points), 1e-9)
    marks = [_mark(one, found) for one in found.points]
    widest = max(map(width, marks))
    rows = [
        (
            written(one.value),
            f"{one.per_day:,.2f}",
            f"{one.median:g}",
            f"{one.worst:,}",
            f"{one.total:,}",
            f"{'█' * round(_BAR * one.per_day / most):<{_BAR}} {padded(mark, widest)}",
        )
        for one, mark in zip(found.points, marks, strict=True)
    ]
    yield from table(("阈值 value", "每天 a day", "中位 median", "最多 worst", "共 total", ""), rows, left=0)
    yield ""
    yield from verdict(tuned)
    yield ""
    yield from _change(tuned)


def _mark(one: Point, found: Found) -> str:
    marks = []
    if one.value == found.now.value:
        marks.append("现在 now")
    if one.value == found.proposed.value and found.proposed.value != found.now.value:
        marks.append("建议 proposed")
    return "←  " + ", ".join(marks) if marks else ""


def verdict(tuned: Tuned) -> Iterator[str]:
    """Chinese, then English: what is proposed, or plainly that no value gives what is wanted."""
    found, wanted = tuned.found, f"{tuned.wanted:g}"
    best = f"{written(found.proposed.value)}"
    gives_zh = (
        f"平均每天 {found.proposed.per_day:.2f} 条（中位 {found.proposed.median:g}，最多一天 {found.proposed.worst}）"
    )
    gives_en = (
        f"{found.proposed.per_day:.2f} a day (median {found.proposed.median:g}, worst day {found.proposed.worst})"
    )
    match found.verdict:
        case "found":
            yield f"建议 {best}：{gives_zh}；现在 {written(found.now.value)} 平均每天 {found.now.per_day:.2f} 条"
            yield f"proposed: {best}, which gives {gives_en}; now {written(found.now.value)} gives {found.now.per_day:.2f}"
        case "jump":
            assert found.beyond is not None
            other = written(found.beyond.value)
            yield f"没有一个值能得到每天约 {wanted} 条：{best} 只有{gives_zh}，{other} 就有每天 {found.beyond.per_day:.2f} 条"
            yield (
                f"no value gives about {wanted} a day: {best} gives only {gives_en}, and {other} already "
                f"{found.beyond.per_day:.2f}"
            )
        case "few":
            yield f"没有一个值能得到每天 {wanted} 条：最多的是 {best}，{gives_zh}；再放宽，预警会连成一片或受其他条件限制"
            yield (
                f"no value gives {wanted} a day: the most is {best} with {gives_en}; looser, alerts run into each other, "
                "or other conditions bound them"
            )
        case "many":
            yield f"没有一个值能少到每天 {wanted} 条：收紧到 {best} 仍有{gives_zh}，要改别的条件"
            yield f"no value gives as few as {wanted} a day: even {best} gives {gives_en}: change another condition"


def _change(tuned: Tuned) -> Iterator[str]:
    """The line as it would be. The file is not touched."""
    if tuned.line is not None:
        number, text = tuned.line
        yield f"改后的行（文件未改动）· the changed line (the file is left alone), line {number}:"
        yield text
        return
    yield "改后的表达式（文件未改动；它来自模板、常量或多行文本）· the changed expression (it comes from a template, a constant or several lines):"
    yield f"{tuned.place.part}: {tuned.place.with_value(tuned.found.proposed.value)}"


def _moment(ms: int, zone: str) -> str:
    return datetime.fromtimestamp(ms / 1000, ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M:%S")


def to_json(tuned: Tuned) -> bytes:
    """The whole of it (docs/backtesting.md)."""
    return msgspec.json.format(msgspec.json.encode(_plain(tuned)), indent=2) + b"\n"


def _plain(tuned: Tuned) -> dict[str, Any]:
    found, place = tuned.found, tuned.place
    return {
        "rule": tuned.rule.id,
        "part": place.part,
        "expression": place.text,
        "number": place.number.text,
        "position": place.position,
        "from": format_ms(tuned.stretch.from_ms),
        "to": format_ms(tuned.stretch.to_ms),
        "source": tuned.source,
        "wanted": tuned.wanted,
        "verdict": found.verdict,
        "now": _point(found.now),
        "proposed": _point(found.proposed),
        "beyond": _point(found.beyond) if found.beyond else None,
        "changed": place.with_value(found.proposed.value),
        "line": {"number": tuned.line[0], "text": tuned.line[1]} if tuned.line else None,
        "curve": [_point(one) for one in found.points],
        "replays": tuned.replays,
        "events": tuned.read,
        "seconds": round(tuned.seconds, 3),
    }


def _point(one: Point) -> dict[str, Any]:
    return {
        "value": one.value,
        "per_day": round(one.per_day, 4),
        "median": one.median,
        "worst": one.worst,
        "total": one.total,
        "days": list(one.days),
    }


def page(tuned: Tuned, zone: str) -> str:
    """A page that stands alone."""
    found, place = tuned.found, tuned.place
    marks = [(found.now.value, f"现在 now {written(found.now.value)}")]
    if found.proposed.value != found.now.value:
        marks.append((found.proposed.value, f"建议 proposed {written(found.proposed.value)}"))
    curve = steps(
        [(one.value, one.per_day) for one in _near(found)],
        f"{tuned.rule.id}: alerts a day over the threshold",
        marks=marks,
        limit=tuned.wanted,
        unit=f"想要每天 wanted {tuned.wanted:g}",
    )
    zh, en = verdict(tuned)
    number = "line" if tuned.line is None else f"line {tuned.line[0]}"
    changed = tuned.line[1].strip() if tuned.line else f"{place.part}: {place.with_value(found.proposed.value)}"
    rows = "".join(
        f'<tr><td class="text">{written(one.value)}</td><td>{one.per_day:,.2f}</td><td>{one.median:g}</td><td>{one.worst:,}</td>'
        f'<td>{one.total:,}</td><td class="text change">{escape(_mark(one, found).removeprefix("←  "))}</td></tr>'
        for one in found.points
    )
    head = "".join(
        f"<th{kind}>{both(*names)}</th>"
        for names, kind in (
            (("阈值", "value"), ' class="text"'),
            (("每天", "a day"), ""),
            (("中位", "median"), ""),
            (("最多一天", "worst day"), ""),
            (("共", "total"), ""),
            (("", ""), ' class="text"'),
        )
    )
    body = f"""<header>
<h1>{both("调阈值", "Tune")}</h1>
<dl>
<dt>{both("规则", "rule")}</dt><dd>{escape(tuned.rule.title.get("zh", ""))} <code class="quiet">{escape(tuned.rule.id)}</code></dd>
<dt>{both("数", "number")}</dt><dd><code>{escape(place.part)}: {escape(place.shown)}</code></dd>
<dt>{both("时段", "time")}</dt><dd>{_moment(tuned.stretch.from_ms, zone)} – {_moment(tuned.stretch.to_ms, zone)}, {escape(zone)}</dd>
<dt>{both("历史", "history")}</dt><dd>{escape(tuned.source)}: {tuned.read:,} events, {tuned.replays} replays</dd>
</dl>
</header>
<section>
<h2>{escape(zh)}</h2>
<p class="en" lang="en">{escape(en)}</p>
<figure><figcaption><strong>{both("每天的预警数随阈值的变化", "alerts a day over the threshold")}</strong></figcaption>{curve}</figure>
<h3>{both("改后", f"changed, {number}; the file is left alone")}</h3>
<p><code>{escape(changed)}</code></p>
<h3>{both("试过的值", "the values tried")}</h3>
<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>
</section>"""
    return framed(f"调阈值 {tuned.rule.title.get('zh', '')}", body)


def _near(found: Found) -> list[Point]:
    """The part of the curve that a person looks at: around the present and the proposed value."""
    low, high = sorted((found.now.value, found.proposed.value))
    reach = max(high - low, abs(found.now.value) * 0.25, 1e-9)
    kept = [one for one in found.points if low - reach <= one.value <= high + reach]
    return kept if len(kept) > 2 else list(found.points)
