"""The backtest's page and its terminal form: well-formed, alone, and calm whatever stands in them."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import pytest

from fengsui.workbench.charts import Bar, bars, steps, strip
from fengsui.workbench.matching import compare
from fengsui.workbench.opening import Opening
from fengsui.workbench.report import Note, Report, RuleReport
from fengsui.workbench.report_html import page
from fengsui.workbench.report_text import lines
from fengsui.workbench.table import cut, table
from fengsui.workbench.width import width

#: 2026-01-01 00:00 in Asia/Shanghai
DAY0_MS = 1_767_225_600_000 - 8 * 3_600_000
HOUR_MS = 3_600_000
NASTY = '<b onclick="x()">乙厂 & "丙"</b>\x1b[31m'
LONG = "滇池源水务有限责任公司第三污水处理厂总排口（二期扩建工程在线监测站房）甲号监测点位" * 2
VOID = {"meta", "br", "i/"}


class Checked(HTMLParser):
    """Every element is closed in its turn, and nothing is fetched or run."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in {"script", "link", "img", "iframe", "object"}, tag
        for name, value in attrs:
            assert not name.startswith("on"), (tag, name)
            assert name not in {"src", "srcset"}, (tag, name)
            assert name != "href" or (value or "").startswith("#"), value
        if tag not in VOID and tag not in {"rect", "line", "circle", "path"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        if tag not in {"rect", "line", "circle", "path"}:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def checked(report: Report) -> str:
    made = page(report)
    parser = Checked()
    parser.feed(made)
    parser.close()
    assert parser.open == []
    assert "url(" not in made
    assert "http" not in made.replace("http-equiv", "")
    for svg in re.findall(r"<svg.*?</svg>", made, re.S):
        ET.fromstring(svg)
    return "".join(parser.text)


def opening(number: int, *, key: str = "甲厂", peak: str = "orange", hours: float = 0.0) -> Opening:
    at_ms = DAY0_MS + round((number + hours) * HOUR_MS)
    return Opening(
        f"{number}{key}", "r", "v", f'{{"subject":"{key}"}}', "530102", key, "orange", peak, at_ms, at_ms + HOUR_MS // 2, False,
        {"zh": f"{key} 超标", "en": "above"},
    )  # fmt: skip


def report(
    would: list[Opening], did: list[Opening], *, days: int = 10, compared: bool = True, rules: int = 1
) -> Report:
    pairs = compare(would, did)
    made = [
        RuleReport(f"r{i}", {"zh": f"规则{i} <x>", "en": "Rule"}, "window", "v", pairs, compared) for i in range(rules)
    ]
    return Report(
        "规则.yaml",
        "data",
        DAY0_MS,
        DAY0_MS + days * 24 * HOUR_MS,
        DAY0_MS - HOUR_MS,
        "Asia/Shanghai",
        1_000,
        0.5,
        made,
        [Note("注意 <此处>", "mind & see")],
    )


def test_a_page_says_what_changed() -> None:
    """Figures, days, hours, groups and each list; what people wrote is text, never markup."""
    nasty = NASTY.replace('"', "'").replace("\x1b", "")
    would = [opening(1), opening(30), opening(31, key=nasty), opening(50, peak="red")]
    did = [opening(1), opening(30, hours=0.2), opening(40), opening(50)]
    text = checked(report(would, did))
    for said in ("新增的预警", "消失的预警", "时刻变化的预警", "级别变化的预警", "每天", nasty, "注意 <此处>"):
        assert said in text, said
    short = checked(report(would[:1], did[:1], days=1))
    assert "每小时" in short


@pytest.mark.parametrize("days", [1, 3, 40, 400])
def test_a_page_of_nothing_and_of_very_much(days: int) -> None:
    """No opening says so; 10,000 of one key with a name of 80 characters are counted whole, and listed in part."""
    assert "这段时间里没有预警" in checked(report([], [], days=days))
    many = [opening(n % (days * 24), key=LONG, hours=n / 10_000) for n in range(10_000)]
    text = checked(report(many, [], days=days))
    assert "10,000" in text
    assert "另有 9,800 条" in text
    assert "会报" in checked(report(many[:50], [], days=days, compared=False, rules=60))


def test_the_terminal_form_stays_in_line() -> None:
    """Columns stand under each other however wide the characters are; escape codes do not reach the terminal."""
    told = table(
        ("对象 subject", "会报 would"), [("甲厂", "1"), ("Plant B", "12,345"), (LONG, "7"), ("a\x1b[31mb", "2")]
    )
    assert len({width(line) for line in told}) == 1
    assert "\x1b" not in "".join(told)
    assert width(cut(LONG, 10)) <= 10
    rows = list(lines(report([opening(1), opening(2)], [opening(1)], rules=2)))
    assert any("新增 1" in line for line in rows)
    assert any("added 1" in line for line in rows)
    assert "nothing opened" in "\n".join(lines(report([], [])))


def test_charts_of_any_numbers_are_well_formed() -> None:
    """Nothing, one column, zeros only, very many."""
    for columns in ([], [Bar("a", "a", 0, 0, 0)], [Bar("<", "&", 3, 2, 1)] * 500):
        ET.fromstring(bars(columns, "a & b"))
    ET.fromstring(strip([("会报", [0] * 24), ("实报", list(range(24)))], [str(n) for n in range(24)], "hours"))
    ET.fromstring(steps([(1.0, 5.0), (1.0, 5.0)], "curve", marks=[(1.0, "now")], limit=3, unit="3"))
