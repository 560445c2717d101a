"""Rules in plain words: what is said of each kind, of every shipped rule, and on the command line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from events.feeds import FeedCatalog
from fengsui.cli import cli
from rules.load import load_rules, packs_directory
from rules.words.expression import Teller
from rules.words.names import TONGUES, event_names
from rules.words.rule import describe, heading
from rules.words.said import LANGUAGES, Language
from rules.words.section import as_text

HERE = Path(__file__).parent / "explanations"
#: What only people who write rules should have to read.
SQL = re.compile(
    r"\b(AND|OR|NOT|CASE|WHEN|THEN|ELSE|END|NULL|LIKE|IN|BETWEEN|regexp_like|coalesce|avg|stddev)\b|[<>=*]|\{|None|sum\("
)


def told(path: Path, language: Language) -> str:
    ruleset = load_rules(path)
    parts = [
        f"{heading(rule, language)}\n{as_text(describe(rule, ruleset.catalog, language))}" for rule in ruleset.rules
    ]
    return "\n\n".join(parts) + "\n"


def unversioned(text: str) -> str:
    """Without the versions of rules, which change with the language of rules and not with the words."""
    return re.sub(r"(版本|[Vv]ersion) [0-9a-f]{16}", r"\1 …", text)


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_kind_is_said_as_reviewed(language: Language) -> None:
    """The words of explanations/zh.txt and en.txt, which a person has read; after a change of wording:

    `fengsui rules explain tests/explanations/ --lang zh > tests/explanations/zh.txt`, and read them again.
    """
    assert unversioned(told(HERE, language)) == unversioned((HERE / f"{language}.txt").read_text(encoding="utf-8"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_packs_need_no_sql(language: Language) -> None:
    """All shipped rules are explained without an operator, a function's name or a placeholder that is left over."""
    packs = load_rules(packs_directory())
    for rule in packs.rules:
        for section in describe(rule, packs.catalog, language):
            assert section.title, rule.id
            assert section.lines, rule.id
            for line in section.lines:
                if section.name == "basis":
                    continue  # cites its standard as it is written
                for text in (line.text, *line.items):
                    assert not SQL.search(text), (rule.id, text)
                    assert text.strip() == text, rule.id


def test_the_sections_follow_the_kind() -> None:
    """Every rule says what it looks at, when it opens, how severe it is, what follows, what is left out and its basis."""
    packs = load_rules(packs_directory())
    for rule in packs.rules:
        names = [section.name for section in describe(rule, packs.catalog, "zh")]
        wanted = ["events", "judging", "opening", "severity", "after", "left-out", "basis"]
        assert names == (wanted if rule.when is not None else [name for name in wanted if name != "judging"]), rule.id


@pytest.mark.parametrize(
    ("text", "zh", "en"),
    [
        ("value > 2 * limit", "监测值超过限值的 2 倍", "the value is above 2 times the limit"),
        ("60 <= value", "监测值不低于 60", "the value is at least 60"),
        ("NOT value > 3", "监测值不超过 3", "the value is at most 3"),
        ("value = -1.5", "监测值等于 -1.5", "the value equals -1.5"),
        ("value / limit > 1.2", "监测值与限值之比超过 1.2", "the ratio of the value to the limit is above 1.2"),
        ("value BETWEEN 6 AND 9", "监测值在 6 到 9 之间", "the value is from 6 to 9"),
        ("value NOT BETWEEN 6 AND 9", "监测值不在 6 到 9 之间", "the value is not from 6 to 9"),
        ("metric IN ('a', 'b')", "监测因子是“a”、“b”之一", "the metric is one of “a” and “b”"),
        ("metric NOT IN ('a')", "监测因子不是“a”", "the metric is not “a”"),
        ("metric LIKE 'w%'", "监测因子以“w”开头", "the metric begins with “w”"),
        ("metric NOT LIKE '%x%'", "监测因子不含有“x”", "the metric does not contain “x”"),
        ("metric LIKE '%kg'", "监测因子以“kg”结尾", "the metric ends with “kg”"),
        ("regexp_like(unit, 'a|b')", "单位含有“a”“b”之一", "the unit contains one of “a” and “b”"),
        ("regexp_like(unit, '^m.*')", "单位符合正则表达式“^m.*”", "the unit matches the regular expression “^m.*”"),
        ("limit IS NOT NULL", "有限值", "there is a limit"),
        ("hour(time) >= 22", "事件时间在 22:00 及以后", "the time of the event is 22:00 or later"),
        ("hour(time) < 6", "事件时间在 6:00 以前", "the time of the event is before 6:00"),
        ("hour(time) = 8", "事件时间在 8:00–8:59 之间", "the time of the event is within 8:00–8:59"),
        ("weekday(time) IN (6, 7)", "事件时间是星期六、星期日之一", "the time of the event is one of Saturday and Sunday"),
        ("abs(value - limit) > 3", "监测值减限值的绝对值超过 3", "the absolute value of the value minus the limit is above 3"),
        ("(value > 1 OR value < 0) AND limit > 2", "（监测值超过 1，或监测值低于 0），且限值超过 2",
         "(the value is above 1, or the value is below 0), and the limit is above 2"),
        ("NOT (value > 1 AND limit > 2)", "并非（监测值超过 1，且限值超过 2）", "not (the value is above 1, and the limit is above 2)"),
        ("(value > 1) IS TRUE", "监测值超过 1", "the value is above 1"),
        ("greatest(value, 5) > limit", "监测值与 5 中较大者超过限值", "the greater of the value and 5 is above the limit"),
        ("true", "总是成立", "it always holds"),
    ],
)  # fmt: skip
def test_conditions_in_words(text: str, zh: str, en: str) -> None:
    """Each form of condition as a clause in both languages."""
    catalog = FeedCatalog.builtin()
    assert Teller(event_names(catalog, "sensor", "zh"), TONGUES["zh"]).condition_of(text) == zh
    assert Teller(event_names(catalog, "sensor", "en"), TONGUES["en"]).condition_of(text) == en


def run(*arguments: str) -> tuple[int, str, str]:
    from fengsui.exits import exit_code

    result = CliRunner().invoke(cli, ["rules", "explain", *arguments])
    error = result.exception
    code = exit_code(error) if error is not None and not isinstance(error, SystemExit) else result.exit_code
    return code if code is not None else 70, result.stdout, str(error or result.stderr)


def test_the_command_takes_ids_and_files() -> None:
    """Ids of the packs, or a file of rules; Chinese unless English is asked for."""
    code, out, _ = run("env.water.ph", "env.monitor.silent")
    assert code == 0
    assert out.startswith("排口 pH 超出 6–9（env.water.ph）\n看什么\n")
    assert "\n\n在线监测数据中断（env.monitor.silent）\n" in out
    code, out, _ = run(str(HERE), "--lang", "en")
    assert code == 0
    assert unversioned(out) == unversioned((HERE / "en.txt").read_text(encoding="utf-8"))
    code, out, _ = run("tumbling", "--rules", str(HERE))
    assert code == 0
    assert "监测值小时均值超过限值的 2 倍" in out


def test_the_command_says_what_is_wrong() -> None:
    """An id that is none gets the nearest one; a file that is not there is said to be none."""
    code, _, error = run("env.water.p")
    assert code == 1
    assert "did you mean 'env.water.ph'?" in error
    code, _, error = run("no/such/file.yaml")
    assert code == 1
    assert "no such directory of rules" in error


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--why", "x", "env.water.ph"],
        ["--why", "x", "--why-not", "r", "--key", "k", "--at", "2026-01-01"],
        ["--key", "k", "env.water.ph"],
        ["--why-not", "env.water.ph", "--key", "k"],
        ["--why-not", "env.water.ph", "--key", "k", "--at", "yesterday"],
    ],
)
def test_forms_that_do_not_go_together(arguments: list[str]) -> None:
    """One question at a time, and a whole one: all else is a usage error."""
    import click

    result = CliRunner().invoke(cli, ["rules", "explain", *arguments])
    assert result.exit_code == 2 or isinstance(result.exception, click.UsageError), result.output
