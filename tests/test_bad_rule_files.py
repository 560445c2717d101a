"""Bad rule files: each gets clear faults with their places, within a second, whatever was meant by it."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from rules.load import RuleErrors, load_rules
from tests.running import environment

RULE = "  - {{id: {id}, title: t, feed: sensor, when: {when}, severity: red{more}}}\n"


def rule(when: str = "value > 1", id: str = "a", more: str = "") -> str:
    return RULE.format(id=id, when=when, more=f", {more}" if more else "")


def above(id: str, below: str) -> str:
    return f"  - {{id: {id}, title: t, feed: alert, by: [rule], where: \"rule = '{below}'\", when: rank > 1, severity: red}}\n"


def many(count: int, sep: str, make: Callable[[int], str]) -> str:
    return sep.join(make(i) for i in range(count))


BAD = {
    # expressions
    "an expression of a megabyte": (
        rule(f"'value > 1{' + 1' * 225_000}'"),
        "2:44: the expression is longer than 4096 bytes",
    ),
    "brackets without end": (rule(f"'{'(' * 1_900}value > 1{')' * 1_900}'"), "2:60: nested deeper than 16 levels"),
    "cases without end": (rule(f"'{'CASE WHEN ' * 60}value > 1'"), "2:204: nested deeper than 16 levels"),
    "divisions within divisors": (
        rule(f"'{'value / (' * 15}value{')' * 15} > 1'"),
        "2:98: the expression is too entangled",
    ),
    "a number beyond all numbers": (rule("value > 1e999"), "2:51: 1e999 is too large a number"),
    "a number of 4,000 digits": (rule(f"value > {'9' * 4_000}"), "2:51: 99999999999999999999 is too large a number"),
    "functions that do not exist": (
        many(4_000, "", lambda i: rule(f"frob{i}(value)", f"a{i}")),
        "2:44: unknown function frob0 (there are abs, ",
    ),
    "full-width signs": (rule("'value ＞ 1'"), "2:50: '＞' is not understood (write >)"),
    "a NUL in an expression": (rule('"value > 1 \\0"'), "2:54: '\\x00' is not understood"),
    # patterns
    "repetitions of repetitions": (
        rule("\"regexp_like(unit, '(a{256}){256}')\""),
        "2:62: the pattern is too large once its repetitions are written out ([0-9] is smaller than \\d)",
    ),
    "repetitions of alphabets": (
        many(4_000, "", lambda i: rule(f"\"regexp_like(unit, '(\\\\w{{100}}){{9}}x{i}')\"", f"a{i}")),
        "2:63: the pattern is too large once its repetitions are written out",
    ),
    "wild cards without end": (
        rule(f"\"unit like '{'%a' * 1_900}'\""),
        "2:54: the pattern is longer than 512 characters",
    ),
    # keys and values
    "a key that nobody knows": (rule(more="servity: red"), "2:69: unknown key 'servity' (did you mean 'severity'?)"),
    "keys that nobody knows": (f"  - {{{many(20_000, ', ', lambda i: f'kye{i}: 1')}}}\n", "2:6: unknown key 'kye0'"),
    "a key of a megabyte": (
        f"  - id: a\n    ? {'y' * 900_000}\n    : 2\n",
        "3:7: unknown key 'yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy'",
    ),
    "an id that is taken": (many(4_000, "", lambda _: rule()), "3:10: the id a is taken (by the rule at r.yaml:2)"),
    "one key again and again": (f"  - {{{'id: a, ' * 24_000}}}\n", "2:13: the key 'id' stands twice (first in line 2)"),
    "a merge of keys": ("  - <<: {id: a}\n    title: t\n", "2:5: unknown key '<<' (a template,"),
    "durations beyond all time": (
        rule(more=f"hold: {'9' * 400}d"),
        "2:75: hold: '9999999999999999999999999999999999999999' is no duration",
    ),
    "a duration in digits of science": (
        rule(more="hold: 1e9d"),
        "2:75: hold: '1e9d' is no duration (write 30s, 5m, 1h or 1d)",
    ),
    "a duration of a million years": (
        rule(more="hold: 365000000d"),
        "2:75: hold must lie between 0ms and 400d, not 365000000d",
    ),
    "a bound beyond all numbers": (
        rule(more="max_open: 1e999"),
        "2:79: max_open must be a whole number from 1 to 100,000",
    ),
    "a bound of 4,000 digits": (rule(more=f"max_open: {'9' * 4_000}"), "2:79: max_open must be a whole number"),
    "a title of a megabyte": (
        rule().replace("title: t", f"title: {'t' * 900_000}"),
        "2:20: title is longer than 500 characters",
    ),
    "a summary of a megabyte": (
        rule(more=f"summary: '{'{a}' * 300_000}'"),
        "2:79: the summary is longer than 2000 characters",
    ),
    "severities without end": (
        rule().replace("severity: red", f"severity: {{{many(20_000, ', ', lambda i: f'redd{i}: true')}}}"),
        "2:65: 'redd0' is no severity (did you mean 'red'?)",
    ),
    "fields of a key without end": (
        rule(more=f"by: [{many(20_000, ', ', lambda i: f'f{i}')}]"),
        "2:69: by needs 1 to 8 fields",
    ),
    "measures without end": (
        rule(more=f"window: {{tumbling: 1h}}, measure: {{{many(20_000, ', ', lambda i: f'm{i}: avg(v{i})')}}}"),
        "2:93: measure names 1 to 50 aggregates",
    ),
    "names that nobody knows": (
        many(3_000, "", lambda i: f"  - {{id: 'r${{d{i}x}}', title: t}}\n")
        + f"constants: {{{many(12_000, ', ', lambda i: f'c{i}x: {i}')}}}\n",
        "2:12: unknown name ${d0x}",
    ),
    # rules over alerts
    "a rule that reads its own alerts": (
        above("a", "a"),
        "2:63: the rule reads its own alerts (rules over alerts must not",
    ),
    "rules that read each other": (
        above("a", "b") + above("b", "c") + above("c", "a"),
        "2:63: the rule reads its own alerts by way of b, c",
    ),
    "rules upon rules upon rules": (
        many(500, "", lambda i: above(f"a{i:03}", f"a{i + 1:03}")) + above("a500", "a000"),
        "2:66: more than 16 rules over alerts stand above each other",
    ),
    # the file as a whole
    "an alias of itself": ("  - &a [*a]\n", "2:9: the alias *a stands for something that holds it"),
    "ten thousand rules and one": (f"  [{'{a: 1},' * 10_001}]\n", "2:70004: more than 10,000 rules in all"),
    "values without end": (f"  [{'{},' * 60_000}]\n", "2:149995: more than 50,000 values in one file"),
    "lists within lists": ("  " + "[" * 400_000, "2:23: nested deeper than 20 levels"),
    "an object of Python": ("  - !!python/object/apply:os.system ['true']\n", "2:5: a rule must be a mapping"),
    "a NUL": ("  - {id: a\0b}\n", "2:11: a character that YAML does not allow"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_fault_and_its_place_within_a_second(name):
    """The first of them; where there are very many the rest is left unread."""
    text, error = BAD[name]
    started = time.process_time()
    with pytest.raises(RuleErrors) as caught:
        load_rules({"r.yaml": "rules:\n" + text})
    assert time.process_time() - started < 1
    assert error in [str(one).removeprefix("r.yaml:")[: len(error)] for one in caught.value.errors]
    assert len(str(caught.value)) < 200_000


def test_what_a_file_says_does_not_steer_the_terminal():
    """Control characters are shown as what they are not."""
    with pytest.raises(RuleErrors) as caught:
        load_rules(
            {
                "r.yaml": 'rules:\n  - {id: a, title: t, feed: sensor, when: "valu\\e[31m", "\\e]0;x\\a": 1, severity: red}\n'
            }
        )
    assert "\x1b" not in str(caught.value)
    assert "\a" not in str(caught.value)


# --- what stands in the directory -------------------------------------------------------------------------------------


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    root = tmp_path / "rules"
    root.mkdir()
    return root


def errors_of(directory: Path) -> list[str]:
    started = time.process_time()
    with pytest.raises(RuleErrors) as caught:
        load_rules(directory)
    assert time.process_time() - started < 1
    return [str(error) for error in caught.value.errors]


def spoil(directory: Path) -> list[str]:
    """Puts things that are no rule files among the rules; what must be said of each."""
    (directory / "a-good.yaml").write_text("rules:\n" + rule())
    (directory / "binary.yaml").write_bytes(b"\x7fELF\x02\x01\x01" + bytes(range(256)))
    (directory / "gbk.yaml").write_bytes("rules: # 规则\n".encode("gbk"))
    with (directory / "huge.yaml").open("wb") as stream:
        stream.truncate(1 << 30)
    (directory / "loop.yaml").symlink_to("loop.yaml")
    (directory / "nowhere.yaml").symlink_to("nothing.yaml")
    os.mkfifo(directory / "pipe.yaml")
    (directory / "round").symlink_to(directory)
    (directory / "text.yaml").write_text("Dear colleagues,\nplease find attached\n")
    (directory / "zero.yaml").symlink_to("/dev/zero")
    return [
        "binary.yaml:2:118: the file is not UTF-8 (save it as UTF-8)",
        "gbk.yaml:1:10: the file is not UTF-8 (it looks like GBK: save it as UTF-8 (in Excel: CSV UTF-8))",
        "huge.yaml:1:1: the file is larger than 1,000,000 bytes (split it)",
        "loop.yaml: cannot be read: Too many levels of symbolic links",
        "nowhere.yaml: cannot be read: No such file or directory",
        "pipe.yaml: is no plain file",
        "text.yaml:1:1: a file of rules begins with rules:",
        "zero.yaml: is no plain file",
    ]


def test_what_is_no_rule_file(directory):
    """Nothing is waited for, nothing is read without end, links to directories are not followed."""
    said = spoil(directory)
    assert errors_of(directory) == said


def test_a_name_that_is_not_utf8(directory):
    """It could be neither shown nor kept."""
    Path(os.fsdecode(os.fsencode(directory) + b"/\xff.yaml")).write_text("rules:\n" + rule())
    assert errors_of(directory) == ["\N{REPLACEMENT CHARACTER}.yaml: the name of the file is not UTF-8 (rename it)"]


def test_a_directory_of_other_things(directory):
    """Far too many files, or far too much in them, is no directory of rules."""
    for i in range(35):
        (directory / f"{i:02}.yaml").write_text("#" * 999_000)
    assert errors_of(directory) == [
        "32.yaml: more than 32,000,000 characters in all files (is this a directory of rules?)"
    ]
    for i in range(2_001):
        (directory / f"{i}.yaml").touch()
    assert errors_of(directory)[0].endswith("more than 2,000 YAML files (is this a directory of rules?)")


def check(directory: Path, cwd: Path) -> tuple[int, list[str], float]:
    """Exit code, lines on standard error and seconds of processor time of ``fengsui rules check``."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-m", "fengsui", "rules", "check", directory],
        cwd=cwd,
        env=environment(),
        capture_output=True,
        timeout=120,
        check=False,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.stdout == b""
    took = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return done.returncode, [line.removeprefix("fengsui: ") for line in done.stderr.decode().splitlines()], took


def test_the_command_says_all_of_it(directory, tmp_path):
    """One line for each fault on standard error, exit 1, no traceback; in about a second with the start of the program."""
    said = spoil(directory)
    small = {name: (text, error) for name, (text, error) in BAD.items() if len(text) < 10_000 and "alert" not in text}
    for i, (text, _) in enumerate(small.values()):
        (directory / f"{i:02}.yaml").write_text("rules:\n" + text.replace("id: a,", f"id: a{i:02},"))
    code, lines, took = check(directory, tmp_path)
    assert code == 1
    assert [line for line in lines if line in said] == said
    assert len({line.split(":")[0] for line in lines if line[:2].isdigit()}) == len(small)
    assert not any("Traceback" in line for line in lines)
    assert took < 4


@pytest.mark.parametrize("name", [name for name, (text, _) in BAD.items() if len(text) > 300_000])
def test_the_command_is_done_soon_with_a_large_file(directory, tmp_path, name):
    """Start included."""
    text, error = BAD[name]
    (directory / "r.yaml").write_text("rules:\n" + text)
    code, lines, took = check(directory, tmp_path)
    assert code == 1
    assert any(error in line for line in lines)
    assert len(lines) <= 202
    assert took < 4
