"""A backtest on a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fengsui.workbench.matching import Counts, Pair, Relation
from fengsui.workbench.report import MAX_GROUPS, Report, RuleReport
from fengsui.workbench.table import cut, table
from fengsui.workbench.width import padded

#: Rules that are shown one by one, the most changed first; the others stand in the table.
_SHOWN_RULES = 8
_SHOWN_DAYS = 31
_SHOWN_GROUPS = 8
_SHOWN_PAIRS = 8
_BAR = 24
SEVERITY = {"red": "红", "orange": "橙", "yellow": "黄", "blue": "蓝"}

#: Relation -> its words. Beside a count the words say what happened to an opening of the rule as it was.
WORDS: dict[Relation, tuple[str, str]] = {
    "same": ("不变", "same"),
    "moved": ("时刻变化", "moved"),
    "added": ("新增", "added"),
    "gone": ("消失", "gone"),
    "split": ("拆出", "split"),
    "merged": ("并入", "merged"),
}
_HEAD = ("会报 would", "实报 did", "新增 added", "消失 gone", "级别变 severity")


def lines(report: Report) -> Iterator[str]:
    """The report, line by line."""
    yield f"回测 · Backtest  {report.file}"
    yield f"时段 · time      {report.moment(report.from_ms)} – {report.moment(report.to_ms)}  {report.zone}"
    yield f"历史 · history   {report.source}, {report.read:,} events since {report.moment(report.warm_ms)}; {report.seconds:.1f} s, {report.pace:,.0f}/s"
    for note in report.notes:
        yield f"注意 · note      {note.zh}"
        yield f"                 {note.en}"
    rules = sorted(report.rules, key=_change, reverse=True)
    if len(rules) > 1:
        yield ""
        yield from table(
            ("规则 rule", *_HEAD), [(rule.rule, *_cells(rule, rule.counts)) for rule in report.rules], most=60
        )
    worth = [rule for rule in rules if rule.pairs] if len(rules) > 1 else rules
    for rule in worth[:_SHOWN_RULES]:
        yield ""
        yield from _rule(rule, report)
    if len(worth) > _SHOWN_RULES:
        yield ""
        yield f"其余 {len(worth) - _SHOWN_RULES} 条规则的详情见 --json、--html · the other rules in detail: --json, --html"


def _change(rule: RuleReport) -> tuple[int, int]:
    counts = rule.counts
    return counts.would + counts.did - 2 * counts["same"] + counts.severity_changed, counts.would


def _cells(rule: RuleReport, counts: Counts) -> tuple[str, ...]:
    if not rule.compared:
        return (f"{counts.would:,}", "–", "–", "–", "–")
    return (
        f"{counts.would:,}",
        f"{counts.did:,}",
        _signed("+", counts["added"] + counts["split"]),
        _signed("−", counts["gone"] + counts["merged"]),
        f"{counts.severity_changed:,}" if counts.severity_changed else "·",
    )


def _signed(sign: str, count: int) -> str:
    return f"{sign}{count:,}" if count else "·"


def _rule(rule: RuleReport, report: Report) -> Iterator[str]:
    counts = rule.counts
    yield f"■ {rule.rule}  {rule.title.get('zh', '')} · {rule.title.get('en', '')}"
    yield "  " + _sentence(rule, counts, report)
    for note in rule.notes:
        yield f"  {note.zh} · {note.en}"
    if not rule.pairs:
        yield "  这段时间里没有预警 · nothing opened in this time"
        return
    days = [(day, some) for day, some in rule.of_days(report) if some.would or some.did]
    most = max(max(some.would, some.did) for _, some in days)
    yield ""
    yield from _indented(
        table(
            ("日期 day", *_HEAD, ""),
            [(day, *_cells(rule, some), _bar(some, most)) for day, some in days[-_SHOWN_DAYS:]],
        )
    )
    if len(days) > _SHOWN_DAYS:
        yield f"  更早还有 {len(days) - _SHOWN_DAYS} 天 · {len(days) - _SHOWN_DAYS} earlier days"
    # where the key is the subject, the loudest keys say it all
    by_subject = [] if all(pair.opening.key_text == pair.opening.subject for pair in rule.pairs) else rule.of_subjects()
    for title, groups in (("地区 region", rule.of_regions()), ("对象 subject", by_subject)):
        if any(name for name, _ in groups):
            yield ""
            yield from _groups(rule, title, groups)
    yield ""
    loud = [(cut(one.key_text, 44), *_cells(rule, some)) for one, some in rule.loudest()]
    yield from _indented(table((f"最多的 {len(loud)} 个键 loudest keys", *_HEAD), loud))
    if rule.compared:
        yield from _examples(rule, report)


def _sentence(rule: RuleReport, counts: Counts, report: Report) -> str:
    would = f"会报 {counts.would:,} 条（每天 {counts.would / report.length_days:,.1f} 条）"
    told = f"would open {counts.would:,} ({counts.would / report.length_days:,.1f} a day)"
    if not rule.compared:
        return f"{would} · {told}"
    relations = [(relation, counts[relation]) for relation in WORDS if counts[relation]]
    changed = counts.severity_changed
    zh = "，".join(f"{WORDS[relation][0]} {count:,}" for relation, count in relations)
    en = ", ".join(f"{WORDS[relation][1]} {count:,}" for relation, count in relations)
    zh_severity, en_severity = (f"，级别变化 {changed:,}", f", severity changed {changed:,}") if changed else ("", "")
    zh_parts = f"：{zh}{zh_severity}" if zh else ""
    en_parts = f": {en}{en_severity}" if en else ""
    return f"{would}，实报 {counts.did:,} 条{zh_parts}\n  {told}, did open {counts.did:,}{en_parts}"


def _bar(counts: Counts, most: int) -> str:
    """The day's openings: █ as before, ▓ added, ░ gone."""
    scale = _BAR / most if most > _BAR else 1.0
    kept = counts["same"] + counts["moved"]
    return (
        "█" * round(kept * scale)
        + "▓" * round((counts["added"] + counts["split"]) * scale)
        + "░" * round((counts["gone"] + counts["merged"]) * scale)
    ).ljust(_BAR)


def _groups(rule: RuleReport, title: str, groups: Sequence[tuple[str, Counts]]) -> Iterator[str]:
    shown = [(name or "（无 none）", *_cells(rule, some)) for name, some in groups[:_SHOWN_GROUPS]]
    yield from _indented(table((title, *_HEAD), shown))
    if len(groups) > _SHOWN_GROUPS:
        more = len(groups) - _SHOWN_GROUPS
        yield f"  另有 {more:,} 个 · and {more:,} more{'' if len(groups) <= MAX_GROUPS else ' (--json)'}"


def _examples(rule: RuleReport, report: Report) -> Iterator[str]:
    for relation in ("added", "gone", "moved"):
        pairs = [pair for pair in rule.pairs if pair.relation == relation]
        yield from _listed(f"{WORDS[relation][0]} · {WORDS[relation][1]}", pairs, report)
    yield from _listed("级别变化 · severity changed", [pair for pair in rule.pairs if pair.severity_changed], report)


def _listed(title: str, pairs: Sequence[Pair], report: Report) -> Iterator[str]:
    if not pairs:
        return
    yield ""
    yield f"  {title} {len(pairs):,}"
    for pair in pairs[:_SHOWN_PAIRS]:
        one = pair.opening
        severity = SEVERITY[one.peak]
        if pair.severity_changed and pair.did is not None and pair.would is not None:
            severity = f"{SEVERITY[pair.did.peak]}→{SEVERITY[pair.would.peak]}"
        instant = report.moment(one.opened_ms)
        if pair.relation == "moved" and pair.did is not None:
            instant = f"{report.moment(pair.did.opened_ms)} → {instant}"
        summary = cut(one.summary.get("zh") or one.summary.get("en") or "", 60)
        yield f"    {instant}  {severity}  {padded(cut(one.key_text, 36), 36)}  {summary}".rstrip()
    if len(pairs) > _SHOWN_PAIRS:
        yield f"    另有 {len(pairs) - _SHOWN_PAIRS:,} 条 · and {len(pairs) - _SHOWN_PAIRS:,} more"


def _indented(made: Sequence[str]) -> Iterator[str]:
    return (f"  {line}" for line in made)
