"""`fengsui rules test` as a person, and as a build server meets it."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner, Result

from fengsui.cli import cli
from fengsui.exits import InputFault
from rules.errors import RuleErrors

RULES = """
rules:
  - id: t.over
    title: {zh: 超限, en: Over}
    feed: sensor
    when: value > limit
    severity: {red: value > 2 * limit, orange: true}
"""
TESTS = """
defaults: {rule: t.over, event: {subject: 甲, limit: 10}}
tests:
  - title: {zh: 超限, en: Over the limit}
    events: [{value: [11, 21, 9]}]
    expect: [{opens: 0m, severity: orange}, {escalates: 1m, severity: red}, {closes: 2m}]
  - title: 限值以下
    events: [{value: 10}]
    expect: nothing
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    made = tmp_path / "rules"
    (made / "water").mkdir(parents=True)
    (made / "water" / "over.yaml").write_text(RULES, encoding="utf-8")
    (made / "water" / "over.test.yaml").write_text(TESTS, encoding="utf-8")
    return made


def run(*args: object) -> Result:
    return CliRunner().invoke(cli, ["rules", "test", *map(str, args)])


def test_all_pass(directory):
    """Exit 0, the counts, and what the fixtures show."""
    done = run(directory)
    assert done.exit_code == 0
    assert done.stdout.startswith("用例全部通过 · all 2 tests passed, in 1 file over 1 rule, ")
    assert (
        "覆盖 · coverage: 1/1 rules with a test that fires, 1/1 with one that does not; 分级 · rungs: 2/2"
        in done.stdout
    )


def test_a_changed_threshold_fails_with_what_became_of_it(directory):
    """Exit 1; the place is one that an editor opens."""
    rule = directory / "water" / "over.yaml"
    rule.write_text(RULES.replace("value > limit", "value >= limit"), encoding="utf-8")
    done = run(directory)
    assert done.exit_code == 1
    assert done.stdout.splitlines()[:4] == [
        "失败 · FAILED  限值以下",
        f"  {directory}/water/over.test.yaml:7  t.over",
        "  + 0m 08:00  opens orange  甲  没有预期 · not expected",
        "              value 10, limit 10",
    ]
    assert "1 个用例失败 · 1 of 2 tests failed" in done.stdout


def test_junit_is_what_build_servers_read(directory, tmp_path):
    """Suites with counts, a case for each test with class, name, file and line, and the difference as the failure's text."""
    (directory / "water" / "over.yaml").write_text(RULES.replace("> limit", "> 2 * limit"), encoding="utf-8")
    report = tmp_path / "report.xml"
    assert run(directory, "--junit", report).exit_code == 1
    root = ET.fromstring(report.read_bytes())
    assert root.tag == "testsuites"
    (suite,) = root
    assert {name: suite.get(name) for name in ("tests", "failures", "errors")} == {
        "tests": "2",
        "failures": "1",
        "errors": "0",
    }
    bad, good = suite
    assert bad.get("name") == "超限 · Over the limit"
    assert bad.get("classname") == "t.over"
    assert bad.get("file") == str(directory / "water" / "over.test.yaml")
    assert bad.get("line") == "4"
    assert float(bad.get("time")) > 0
    failure = bad.find("failure")
    assert failure.get("message")
    assert "≠ 1m 08:01  opens red" in failure.text
    assert good.find("failure") is None


def test_a_title_that_xml_cannot_hold_is_written_all_the_same(directory, tmp_path):
    """YAML can escape a bell; XML cannot."""
    text = TESTS.replace("限值以下", r'"铃\a声 <b> & \"x\""')
    (directory / "water" / "over.test.yaml").write_text(text, encoding="utf-8")
    report = tmp_path / "report.xml"
    assert run(directory, "--junit", report).exit_code == 0
    assert [case.get("name") for case in ET.fromstring(report.read_bytes()).iter("testcase")][
        1
    ] == '铃\ufffd声 <b> & "x"'


def test_a_build_server_also_reads_why_nothing_ran(directory, tmp_path):
    """A fault of the rules, or of the tests, is an error in the report."""
    rule = directory / "water" / "over.yaml"
    rule.write_text(RULES.replace("value > limit", "valeu > limit"), encoding="utf-8")
    report = tmp_path / "report.xml"
    assert run(directory, "--junit", report).exit_code == 1
    root = ET.fromstring(report.read_bytes())
    assert root.get("errors") == "1"
    (error,) = root.iter("error")
    assert "water/over.yaml:6:11" in error.get("message")
    assert "valeu" in error.text


def test_single_rules_by_pattern(directory):
    """With the coverage of those; a pattern that fits none is an error."""
    other = RULES.replace("t.over", "u.over")
    (directory / "other.yaml").write_text(other, encoding="utf-8")
    assert "1/2 rules with a test that fires" in run(directory).stdout
    assert "1/1 rules with a test that fires" in run(directory, "--rule", "t.*").stdout
    assert "no test of a rule 'u.*'" in str(run(directory, "--rule", "u.*").exception)


def test_a_rule_file_is_run_with_the_fixtures_beside_it(directory):
    """And the file of fixtures alone says what to give."""
    assert run(directory / "water" / "over.yaml").exit_code == 0
    done = run(directory / "water" / "over.test.yaml")
    assert isinstance(done.exception, InputFault)
    assert "give the directory of rules" in str(done.exception)


def test_a_faulty_file_is_refused_with_all_its_faults(directory):
    """And nothing runs."""
    (directory / "a.test.yaml").write_text("tests: [{titel: x}]", encoding="utf-8")
    (directory / "b.test.yaml").write_bytes(b"tests: \xff")
    done = run(directory)
    assert isinstance(done.exception, RuleErrors)
    assert f"{directory}/a.test.yaml:1:10: unknown key 'titel' (did you mean 'title'?)" in str(done.exception)
    assert f"{directory}/b.test.yaml:1:1: the file is not UTF-8" in str(done.exception)
    assert not done.stdout


def test_a_directory_without_fixtures_says_so(directory):
    """Nothing tested is no success."""
    (directory / "water" / "over.test.yaml").unlink()
    done = run(directory)
    assert isinstance(done.exception, InputFault)
    assert "*.test.yaml" in str(done.exception)


def test_a_report_that_cannot_be_written_says_where(directory, tmp_path):
    """One line, not a traceback."""
    done = run(directory, "--junit", tmp_path / "none" / "report.xml")
    assert isinstance(done.exception, InputFault)
    assert "report.xml" in str(done.exception)
