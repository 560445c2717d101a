"""A backtest as one page that stands alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from fengsui.workbench.charts import Bar, bars, strip
from fengsui.workbench.matching import Counts, Pair, Relation, grouped
from fengsui.workbench.page import both, framed
from fengsui.workbench.report import MAX_GROUPS, Note, Report, RuleReport
from fengsui.workbench.report_text import SEVERITY, WORDS

#: Rules that are shown one by one, the most changed first.
_SHOWN_RULES = 40
_SHOWN_ROWS = 200
#: Up to so many days the columns are hours.
_HOURS_UP_TO_DAYS = 3
_HOUR_MS = 3_600_000
_HEAD = (("会报", "would"), ("实报", "did"), ("新增", "added"), ("消失", "gone"), ("级别变化", "severity"))
#: What happened to openings, as the page lists it.
_LISTED: tuple[tuple[Relation, str, str], ...] = (
    ("added", "新增的预警", "added"),
    ("gone", "消失的预警", "gone"),
    ("moved", "时刻变化的预警", "moved"),
    ("split", "拆出的预警", "split: opened within an alert that stood anyway"),
    ("merged", "并入的预警", "merged: within an alert that would have stood already"),
)


def page(report: Report) -> str:
    """The whole page. Nothing in it comes from outside, and no script runs."""
    title = report.rules[0].title.get("zh", "") if len(report.rules) == 1 else report.file
    return framed(f"回测 {title}", "\n".join(_body(report)))


def _body(report: Report) -> Iterator[str]:
    length = f"{report.length_days:,.1f}"
    yield "<header>"
    yield f"<h1>{both('回测', 'Backtest')}</h1>"
    yield "<dl>"
    for (zh, en), text in (
        (("规则文件", "rules"), report.file),
        (
            ("时段", "time"),
            f"{report.moment(report.from_ms)} – {report.moment(report.to_ms)} ({length} d), {report.zone}",
        ),
        (("历史", "history"), f"{report.source}: {report.read:,} events since {report.moment(report.warm_ms)}"),
    ):
        yield f"<dt>{both(zh, en)}</dt><dd>{escape(text)}</dd>"
    yield "</dl>"
    yield from _notes(report.notes)
    yield "</header>"
    ordered = sorted(report.rules, key=_change, reverse=True)
    if len(report.rules) > 1:
        yield from _overview(report, {rule.rule for rule in ordered[:_SHOWN_RULES] if rule.pairs})
        ordered = [rule for rule in ordered if rule.pairs]
    for rule in ordered[:_SHOWN_RULES]:
        yield from _rule(rule, report)
    if len(ordered) > _SHOWN_RULES:
        yield f'<p class="empty">{both(f"其余 {len(ordered) - _SHOWN_RULES} 条规则见 --json", "the other rules stand in --json")}</p>'


def _change(rule: RuleReport) -> tuple[int, int]:
    counts = rule.counts
    return counts.would + counts.did - 2 * counts["same"] + counts.severity_changed, counts.would


def _notes(notes: Sequence[Note]) -> Iterator[str]:
    for note in notes:
        yield f'<p class="note">{escape(note.zh)}<br><span class="en" lang="en">{escape(note.en)}</span></p>'


def _overview(report: Report, shown: set[str]) -> Iterator[str]:
    rows = []
    for rule in report.rules:
        name = escape(rule.title.get("zh") or rule.rule)
        link = f'<a href="#{escape(rule.rule, quote=True)}">{name}</a>' if rule.rule in shown else name
        rows.append(
            f'<tr><td class="text cut" title="{escape(rule.rule, quote=True)}">{link} <code class="quiet">{escape(rule.rule)}</code></td>'
            f"{_cells(rule, rule.counts)}</tr>"
        )
    yield f"<section><h2>{both(f'{len(report.rules)} 条规则', f'{len(report.rules)} rules')}</h2>"
    yield _table(("规则", "rule"), rows)
    yield "</section>"


def _rule(rule: RuleReport, report: Report) -> Iterator[str]:
    counts = rule.counts
    yield f'<section id="{escape(rule.rule, quote=True)}">'
    yield f"<h2>{both(rule.title.get('zh', ''), rule.title.get('en', ''))}</h2>"
    yield f'<p class="quiet"><code>{escape(rule.rule)}</code></p>'
    yield from _notes(rule.notes)
    yield from _figures(rule, counts, report)
    if not rule.pairs:
        yield f'<p class="empty">{both("这段时间里没有预警。", f"Nothing opened in this time, in {report.read:,} events.")}</p></section>'
        return
    yield from _columns(rule, report)
    yield from _hours(rule, report)
    yield '<div class="columns">'
    # where the key is the subject, the loudest keys say it all
    subjects = [] if all(pair.opening.key_text == pair.opening.subject for pair in rule.pairs) else rule.of_subjects()
    for head, groups in ((("地区", "region"), rule.of_regions()), (("对象", "subject"), subjects)):
        if any(name for name, _ in groups):
            yield from _groups(rule, head, groups)
    yield "</div>"
    loud = [
        f'<tr><td class="text cut" title="{escape(one.key_text, quote=True)}">{escape(one.key_text)}</td>{_cells(rule, some)}</tr>'
        for one, some in rule.loudest()
    ]
    yield f"<h3>{both('预警最多的键', f'the {len(loud)} loudest keys')}</h3>"
    yield _table(("键", "key"), loud)
    if rule.compared:
        for relation, zh, en in _LISTED:
            yield from _listed(zh, en, [pair for pair in rule.pairs if pair.relation == relation], report)
        yield from _listed(
            "级别变化的预警", "severity changed", [pair for pair in rule.pairs if pair.severity_changed], report
        )
    else:
        yield from _listed("会报的预警", "would open", rule.pairs, report)
    yield "</section>"


def _figures(rule: RuleReport, counts: Counts, report: Report) -> Iterator[str]:
    told: list[tuple[str, str, str]] = [
        (f"{counts.would:,}", "会报", "would open"),
        (f"{counts.would / report.length_days:,.1f}", "每天", "a day"),
    ]
    if rule.compared:
        told.append((f"{counts.did:,}", "实报", "did open"))
        signs: dict[Relation, str] = {"added": "+", "gone": "−", "merged": "−", "split": "+"}
        told += [
            (f"{signs.get(relation, '')}{counts[relation]:,}", *WORDS[relation])
            for relation in WORDS
            if counts[relation] or relation in ("added", "gone")
        ]
        told.append((f"{counts.severity_changed:,}", "级别变化", "severity changed"))
    yield '<div class="figures">'
    for figure, zh, en in told:
        zero = ' class="zero"' if figure.strip("+−") in ("0", "0.0") else ""
        yield f"<div{zero}><b>{figure.replace('+0', '0').replace('−0', '0') if zero else figure}</b>{both(zh, en)}</div>"
    yield "</div>"


def _columns(rule: RuleReport, report: Report) -> Iterator[str]:
    hourly = len(report.days()) <= _HOURS_UP_TO_DAYS
    found = grouped(
        rule.pairs, lambda one: report.local(one.opened_ms).strftime("%Y-%m-%d %H" if hourly else "%Y-%m-%d")
    )
    columns = []
    for name, label in _times(report, hourly=hourly):
        counts = Counts.of(found.get(name, ()))
        kept = counts["same"] + counts["moved"]
        added, gone = counts["added"] + counts["split"], counts["gone"] + counts["merged"]
        if not rule.compared:
            kept, added = added, 0
        title = f"{name}{':00' if hourly else ''}  会报 would {counts.would:,}, 实报 did {counts.did:,}"
        columns.append(Bar(label, title, kept, added, gone))
    unit = ("每小时", "by the hour") if hourly else ("每天", "by the day")
    yield f"<figure><figcaption><strong>{both(*unit)}</strong>"
    if rule.compared:
        for name, zh, en in (("kept", "不变", "kept"), ("added", "新增", "added"), ("gone", "消失", "gone")):
            yield f'<span class="key"><i class="{name}"></i>{both(zh, en)}</span>'
    yield f"</figcaption>{bars(columns, f'{rule.rule}: {unit[1]}')}</figure>"


def _times(report: Report, *, hourly: bool) -> Iterator[tuple[str, str]]:
    """(name, label) of every hour or day of the stretch."""
    if not hourly:
        for day in report.days():
            yield day, day[5:]
        return
    seen = ""
    for ms in range(report.from_ms - report.from_ms % _HOUR_MS, report.to_ms, _HOUR_MS):
        local = report.local(ms)
        day = local.strftime("%m-%d")
        yield local.strftime("%Y-%m-%d %H"), local.strftime("%H:00") if day == seen else local.strftime("%m-%d %H:00")
        seen = day


def _hours(rule: RuleReport, report: Report) -> Iterator[str]:
    would, did = [0] * 24, [0] * 24
    for pair in rule.pairs:
        if pair.relation in ("gone", "merged"):
            assert pair.did is not None
            did[report.local(pair.did.opened_ms).hour] += 1
            continue
        assert pair.would is not None
        would[report.local(pair.would.opened_ms).hour] += 1
        if pair.did is not None:
            did[report.local(pair.did.opened_ms).hour] += 1
    rows = [("会报 would", would), ("实报 did", did)] if rule.compared else [("会报 would", would)]
    yield f"<figure><figcaption><strong>{both('一天中的时刻', 'by the hour of the day')}</strong></figcaption>"
    yield f"{strip(rows, [f'{hour:02d}' for hour in range(24)], f'{rule.rule}: by the hour of the day')}</figure>"


def _groups(rule: RuleReport, head: tuple[str, str], groups: Sequence[tuple[str, Counts]]) -> Iterator[str]:
    rows = [
        f'<tr><td class="text cut" title="{escape(name, quote=True)}">{escape(name) or "—"}</td>{_cells(rule, some)}</tr>'
        for name, some in groups[:MAX_GROUPS]
    ]
    yield f"<div>{_table(head, rows)}"
    if len(groups) > MAX_GROUPS:
        more = len(groups) - MAX_GROUPS
        yield f'<p class="quiet">{both(f"另有 {more:,} 个", f"and {more:,} more")}</p>'
    yield "</div>"


def _table(head: tuple[str, str], rows: Sequence[str]) -> str:
    names = "".join(f"<th>{both(zh, en)}</th>" for zh, en in _HEAD)
    return f'<div class="wide"><table><thead><tr><th class="text">{both(*head)}</th>{names}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'


def _cells(rule: RuleReport, counts: Counts) -> str:
    if not rule.compared:
        return f"<td>{counts.would:,}</td>" + '<td class="none">–</td>' * 4
    added, gone = counts["added"] + counts["split"], counts["gone"] + counts["merged"]
    return (
        f"<td>{counts.would:,}</td><td>{counts.did:,}</td>{_changed('+', added)}{_changed('−', gone)}"
        f"{_changed('', counts.severity_changed)}"
    )


def _changed(sign: str, count: int) -> str:
    return f'<td class="change">{sign}{count:,}</td>' if count else '<td class="none">·</td>'


def _listed(zh: str, en: str, pairs: Sequence[Pair], report: Report) -> Iterator[str]:
    if not pairs:
        return
    opened = " open" if len(pairs) <= 20 else ""
    yield f"<details{opened}><summary>{both(zh, en)} <b>{len(pairs):,}</b></summary>"
    yield '<div class="wide"><table><tbody>'
    for pair in pairs[:_SHOWN_ROWS]:
        one = pair.opening
        badges = _badge(one.peak)
        if pair.severity_changed and pair.did is not None and pair.would is not None:
            badges = f"{_badge(pair.did.peak)} → {_badge(pair.would.peak)}"
        instant = report.moment(one.opened_ms)
        if pair.relation == "moved" and pair.did is not None:
            before = report.moment(pair.did.opened_ms)
            instant = f"{before} → {instant[11:] if instant[:10] == before[:10] else instant}"
        told = one.summary.get("zh") or one.summary.get("en") or ""
        yield (
            f'<tr><td class="text">{badges}</td><td class="text">{instant}</td>'
            f'<td class="text">{escape(_clipped(one.key_text))}</td>'
            f'<td class="text quiet">{escape(one.region)}</td>'
            f'<td class="text cut" title="{escape(told, quote=True)}">{escape(told)}</td></tr>'
        )
    yield "</tbody></table></div>"
    if len(pairs) > _SHOWN_ROWS:
        more = len(pairs) - _SHOWN_ROWS
        yield f'<p class="quiet">{both(f"另有 {more:,} 条，见 --json", f"and {more:,} more, see --json")}</p>'
    yield "</details>"


def _clipped(text: str) -> str:
    return text if len(text) <= 30 else text[:29] + "…"


def _badge(severity: str) -> str:
    return f'<span class="badge {severity}" title="{severity}">{SEVERITY[severity]}</span>'
