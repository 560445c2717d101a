"""Lists and tables in files: what they give, what is said of a bad one and where, and what they cost."""

from __future__ import annotations

import os
import time
from pathlib import Path

import polars as pl
import pytest

from events.record import Activation
from rules.csv_source import MAX_FILE_BYTES, MAX_ROWS, Row, parse_csv
from rules.errors import RuleErrors
from rules.expressions import ExpressionErrors, Scope, compile_measure, compile_value
from rules.load import load_bundle, load_rules
from rules.model import RuleSet
from rules.tables import Tables, read_from
from streams.engine import Engine
from tests.timeline import T0, Timeline, told

FILES = {
    "key.csv": "\ufeff# the key polluters\n甲站\n\n 乙站 \n甲站\n",
    "limits.csv": "subject,metric,limit,unit\n甲站,cod,50,mg/L\n甲站,nh3,,mg/L\n乙站,cod,7.5,g/L\n",
    "one.csv": "subject,limit\n甲站,50\n",
    "numbers.csv": "value\n1\n2.50\n-3e2\n",
    "codes.csv": "subject,code\n甲站,0531\n",
    "grid.csv": "n,a,name\n1,1.5,p\n2,0,q\n",
    "empty.csv": "# nothing yet\n",
    "header.csv": "subject,limit\n",
}
FIELDS = {
    "subject": "string",
    "metric": "string",
    "value": "number",
    "a": "number",
    "n": "integer",
    "t": "time",
    "f": "boolean",
}
FRAME = pl.DataFrame(
    {
        "subject": ["甲站", "乙站", "丙站", None],
        "metric": ["cod", "cod", "cod", "cod"],
        "value": [1.0, -300.0, None, 3.0],
        "a": [1.5, -0.0, 0.0, 1.5],
        "n": [1, 2, None, 1],
        "t": [0, 1, 2, 3],
        "f": [True, False, None, True],
    }
)


def scope(files: dict[str, str] = FILES) -> Scope:
    return Scope(FIELDS, "the feed x", tables=Tables(read_from(files)))  # type: ignore[arg-type]


def values(text: str) -> list[object]:
    """The expression over all rows, and over each alone."""
    compiled, _ = compile_value(text, scope(), zone_ms=0)
    together = FRAME.select(compiled.expr).to_series().to_list()
    alone = [FRAME[i : i + 1].select(compiled.expr).to_series().to_list()[0] for i in range(len(FRAME))]
    assert together == alone
    assert len(FRAME[:0].select(compiled.expr)) == 0
    return together


# --- what they give ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("subject IN list('key.csv')", [True, True, False, None]),
        ("subject NOT IN LIST('key.csv')", [False, False, True, None]),
        ("subject in list('./key.csv')", [True, True, False, None]),
        ("subject in list('limits.csv')", [True, True, False, None]),
        ("metric in list('limits.csv', 'unit')", [False, False, False, False]),
        ("metric || '' in list('limits.csv', 'metric')", [True, True, True, True]),
        ("value in list('numbers.csv')", [True, True, None, False]),
        ("n in list('numbers.csv', 'value')", [True, False, None, True]),
        ("subject in list('empty.csv')", [False, False, False, None]),
        ("n in list('empty.csv')", [False, False, None, False]),
        ("null in list('key.csv')", [None, None, None, None]),
        ("lookup('limits.csv', 'limit', subject, metric)", [50.0, 7.5, None, None]),
        ("lookup('limits.csv', 'unit', metric, subject)", ["mg/L", "g/L", None, None]),
        ("lookup('one.csv', 'limit', subject)", [50.0, None, None, None]),
        ("value >= coalesce(lookup('one.csv', 'limit', subject), 3)", [False, False, None, True]),
        ("lookup('codes.csv', 'code', subject)", ["0531", None, None, None]),
        ("lookup('grid.csv', 'name', n, a)", ["p", "q", None, "p"]),
        ("lookup('header.csv', 'limit', subject)", [None, None, None, None]),
    ],
)
def test_a_value(text, expected):
    """Membership with three values, and the column of the row with the key."""
    assert values(text) == expected


def test_the_use_is_part_of_the_canonical_text():
    """The file, the column and the type of what is looked up; not what the file says."""

    def canon(text: str, files: dict[str, str] = FILES) -> str:
        return compile_value(text, scope(files), zone_ms=0)[1]

    member = "subject in list('key.csv')"
    assert canon(member) == canon("subject IN  list( './key.csv' )", {"key.csv": "丁站\n"})
    assert canon(member) != canon("subject in list('empty.csv')")
    assert canon("subject in list('limits.csv', 'subject')") != canon("subject in list('limits.csv', 'metric')")
    limit = "lookup('one.csv', 'limit', subject)"
    assert canon(limit) == canon(limit, {"one.csv": "limit,subject\n9,丁站\n"})
    assert canon(limit) != canon(limit, {"one.csv": "limit,subject\nhigh,丁站\n"})


def test_a_measure_may_look_up():
    """Inside of an aggregate, as any expression over the event."""
    measure, _ = compile_measure("m", "max(lookup('one.csv', 'limit', subject))", scope(), zone_ms=0)
    (aggregate,) = measure.aggregates
    assert aggregate.input is not None
    assert FRAME.select(aggregate.input.expr).to_series().to_list() == [50.0, None, None, None]


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "offset", "message"),
    [
        (
            "subject in list('kye.csv')",
            16,
            "there is no file 'kye.csv' in the rules directory (did you mean 'key.csv'?)",
        ),
        ("subject in list('key.yaml')", 16, "'key.yaml' is no CSV file"),
        ("subject in list('limits.csv', 'sbject')", 30, "limits.csv has no column 'sbject' (did you mean 'subject'?)"),
        ("a in list('limits.csv')", 10, "limits.csv has 4 columns (say which: list('limits.csv', 'subject'))"),
        ("value in list('key.csv')", 14, "key.csv, line 2: '甲站' is no number, and value is one"),
        ("t in list('key.csv')", 0, "a list has texts or numbers, this is a time"),
        ("subject in list(key)", 16, "list needs a file and a column in quotes"),
        ("subject in list()", 11, "list needs a file and a column in quotes"),
        ("subject in list('a.csv', 'b', 'c')", 11, "list needs a file and a column in quotes"),
        ("subject = list('key.csv')", 10, "list stands behind IN"),
        ("lookup('limits.csv', 'limit')", 0, "lookup needs 1 to 8 fields as its key"),
        ("lookup('limits.csv', 'limit', 'a')", 0, "lookup needs 1 to 8 fields as its key"),
        ("lookup('limits.csv', limit, subject)", 21, "lookup needs a file and a column in quotes"),
        ("lookup('limits.csv', 'limt', subject)", 21, "limits.csv has no column 'limt' (did you mean 'limit'?)"),
        ("lookup('limits.csv', 'limit', value)", 30, "limits.csv has no column 'value'"),
        ("lookup('limits.csv', 'limit', nope)", 30, "unknown name nope"),
        ("lookup('grid.csv', 'n', f)", 24, "a table is looked up by texts and numbers, f is a boolean"),
        ("lookup('one.csv', 'limit', subject, subject)", 0, "a field stands twice in the key"),
        ("lookup('numbers.csv', 'value', n)", 31, "numbers.csv has no column 'n'"),
    ],
)
def test_a_use_that_is_refused(text, offset, message):
    """At the argument that is wrong."""
    with pytest.raises(ExpressionErrors) as caught:
        compile_value(text, scope(), zone_ms=0)
    fault = caught.value.faults[0]
    told_ = f"{fault.message} ({fault.hint})" if fault.hint else fault.message
    assert fault.offset == offset
    assert told_.startswith(message)


RULE = """\
rules:
  - id: a
    title: t
    feed: sensor
    when: value > lookup('limits.csv', 'limit', subject)
    severity: red
"""


def load(files: dict[str, str]) -> RuleSet:
    return load_rules({"r.yaml": RULE, **files})


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("subject,limit\na,1\nb,2\na,3\n", "limits.csv:4:1: the key 'a' stands twice (first in line 2)"),
        ("subject,limit\n,1\n", "limits.csv:2:1: the row has no subject, by which it is looked up"),
        ("subject,limit\na,1,2\n", "limits.csv:2:1: a row of 3 cells, where the first has 2"),
        ('subject,limit\n# ok\n\n"a,1\nb,2\n', "limits.csv:4:1: not CSV: unexpected end of data"),
        ('subject,limit\n"a"b,1\n', "limits.csv:2:1: not CSV:"),
        ("subject,limit\na\0b,1\n", "limits.csv:2:1: a character that no text has"),
        (f"subject,limit\n{'a' * 1001},1\n", "limits.csv:2:1: a cell of more than 1,000 characters"),
        (",".join(["subject", "limit", *"x" * 99]), "limits.csv:1:1: more than 100 columns"),
        ("subject,limit\n" + "".join(f"{i},1\n" for i in range(MAX_ROWS)), f"limits.csv:{MAX_ROWS + 1}:1: more than"),
        ("x" * (MAX_FILE_BYTES + 1), "limits.csv:1:1: the file is larger than 4,000,000 bytes"),
        ("subject,limit,subject\n", "r.yaml:5:49: limits.csv has the column 'subject' twice"),
    ],
)
def test_a_file_at_fault_is_told_once_at_its_line(text, error):
    """However many rules use it, and within a second."""
    started = time.process_time()
    rules = RULE + "".join(RULE.removeprefix("rules:\n").replace("id: a", f"id: a{i}") for i in range(20))
    with pytest.raises(RuleErrors) as caught:
        load_rules({"r.yaml": rules, "limits.csv": text})
    first = str(caught.value.errors[0])
    assert first.startswith(error)
    assert len(caught.value.errors) == (1 if first.startswith("limits") else 21)
    assert time.process_time() - started < 1


def test_rows_have_their_lines():
    """A quoted cell may run over lines and hold what is a comment elsewhere."""
    assert parse_csv('a,b\r\n"x\n# y","1 ""2"""\n#c\n , \n z ,\t4\n', "f") == (
        Row(1, ("a", "b")),
        Row(2, ("x\n# y", '1 "2"')),
        Row(6, ("z", "4")),
    )


# --- files ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Rules with a table in a directory below."""
    root = tmp_path / "rules"
    (root / "tables").mkdir(parents=True)
    (root / "r.yaml").write_text(RULE.replace("'limits.csv'", "'tables/limits.csv'"))
    (root / "tables" / "limits.csv").write_bytes("\ufeffsubject,limit\n甲站,50\n".encode())
    (root / "never-named.csv").write_bytes(b"\xff\xfe")
    return root


def test_a_bundle_holds_the_files_that_rules_name(directory):
    """No others; and it brings the same rules back without the directory."""
    found = load_rules(directory)
    assert set(found.bundle["files"]) == {"r.yaml", "tables/limits.csv"}  # type: ignore[call-overload]
    again = load_bundle(found.bundle)
    assert (again.version, again.rules[0].version) == (found.version, found.rules[0].version)
    assert again.bundle == found.bundle


def test_what_a_file_says_is_part_of_the_bundle_s_version_only(directory):
    """A changed limit makes a new rule set, but no new rule."""
    before = load_rules(directory)
    (directory / "tables" / "limits.csv").write_text("subject,limit\n甲站,60\n")
    after = load_rules(directory)
    assert after.version != before.version
    assert after.rules[0].version == before.rules[0].version
    row = pl.DataFrame({"subject": ["甲站"], "value": [55.0]})
    assert [row.select(rules.rules[0].when.expr).item() for rules in (before, after)] == [True, False]  # type: ignore[union-attr]


def test_one_file_alone_reads_the_lists_beside_it(directory):
    """As it does the catalogue."""
    (directory / "r.yaml").rename(directory / "tables" / "r.yaml")
    (directory / "tables" / "r.yaml").write_text(RULE)
    assert len(load_rules(directory / "tables" / "r.yaml").rules) == 1


@pytest.mark.parametrize("name", ["../out.csv", "/etc/out.csv", "tables/../../out.csv", "a\\..\\out.csv", "out.csv"])
def test_there_is_no_way_out_of_the_directory(directory, name):
    """Neither by name nor by a link."""
    (directory.parent / "out.csv").write_text("subject,limit\n甲站,1\n")
    (directory / "out.csv").symlink_to(directory.parent / "out.csv")
    (directory / "r.yaml").write_text(RULE.replace("limits.csv", name))
    with pytest.raises(RuleErrors, match=r"r.yaml:5:26: .* cannot be read: .*(below|out of) the rules directory"):
        load_rules(directory)


def test_a_link_within_the_directory_is_followed(directory):
    """As a mounted ConfigMap has them."""
    (directory / "tables" / "limits.csv").rename(directory / ".limits.csv")
    (directory / "tables" / "limits.csv").symlink_to(directory / ".limits.csv")
    assert len(load_rules(directory).rules) == 1


def test_what_is_no_plain_file(directory):
    """A loop of links, a directory and a pipe are told, not waited for."""
    table = directory / "tables" / "limits.csv"
    table.unlink()
    table.symlink_to(table)
    with pytest.raises(RuleErrors, match=r"r.yaml:5:26: .* cannot be read: Too many levels of symbolic links"):
        load_rules(directory)
    table.unlink()
    table.mkdir()
    with pytest.raises(RuleErrors, match=r"tables/limits.csv: is no plain file"):
        load_rules(directory)
    table.rmdir()
    os.mkfifo(table)
    with pytest.raises(RuleErrors, match=r"tables/limits.csv: is no plain file"):
        load_rules(directory)


def test_another_encoding_is_named(directory):
    """GBK, UTF-16 and workbooks are what Excel saves first."""
    table = directory / "tables" / "limits.csv"
    for data, hint in (
        ("subject,limit\n甲站,50\n".encode("gbk"), r"limits.csv:2:1: the file is not UTF-8 \(it looks like GBK"),
        ("subject,limit\n甲站,50\n".encode("utf-16"), r"the file is not UTF-8 \(this is UTF-16"),
        (b"PK\x03\x04\xff\xfe\xff", r"the file is not UTF-8 \(this is an Excel workbook"),
    ):
        table.write_bytes(data)
        with pytest.raises(RuleErrors, match=hint):
            load_rules(directory)


def test_a_gigabyte_is_refused_at_once(directory):
    """Only the first bytes are read."""
    with (directory / "tables" / "limits.csv").open("wb") as stream:
        stream.truncate(1 << 30)
    started = time.perf_counter()
    with pytest.raises(RuleErrors, match=r"limits.csv:1:1: the file is larger than"):
        load_rules(directory)
    assert time.perf_counter() - started < 1


# --- in the engine ----------------------------------------------------------------------------------------------------


def test_rules_read_lists_and_tables():
    """A threshold by key, and a severity by list."""
    line = Timeline(
        "id: r\nfeed: sensor\nwhen: value > lookup('limits.csv', 'limit', subject)\n"
        "severity: {red: subject IN list('key.csv'), yellow: true}",
        beside={"limits.csv": "subject,limit\n甲站,50\n乙站,5\n", "key.csv": "乙站\n"},
    )
    line.values((0, 40), (1, 60), subject="甲站")
    line.values((2, 40), subject="乙站")
    line.values((3, 1e9), subject="丙站")
    assert told(line.made) == [("opened", 1), ("opened", 2)]
    assert [t.severity for t in line.made] == ["yellow", "red"]


def test_a_changed_table_takes_force_at_its_record():
    """The rule goes on with its open alerts; from there on its events are held against the new values."""
    text = RULE.replace("red", "red\n    by: [subject]")
    line = Timeline("id: unused\nfeed: sensor\nwhen: value > 1e9\nseverity: blue")
    line.engine = Engine(load_rules({"r.yaml": text, "limits.csv": "subject,limit\n甲站,50\n乙站,50\n"}))
    line.values((0, 60), subject="甲站")
    line.values((0, 60), subject="乙站")
    line.pos += 1
    changed = load_rules({"r.yaml": text, "limits.csv": "subject,limit\n甲站,50\n乙站,70\n"})
    assert line.step(Activation(line.pos, T0 + 1000, dict(changed.bundle))) == []
    line.values((2, 60), subject="甲站")
    line.values((2, 60), subject="乙站")
    assert [(t.key["subject"], *told([t])[0]) for t in line.made] == [
        ("甲站", "opened", 0),
        ("乙站", "opened", 0),
        ("乙站", "closed", 2),
    ]


def test_a_list_of_a_hundred_thousand_costs_little():
    """Less than a microsecond an event also in batches of 2,000; hashing the list for each would take ten times as long."""
    members = [f"9142{i:014d}" for i in range(MAX_ROWS)]
    table = "subject,limit\n" + "".join(f"{member},{i}\n" for i, member in enumerate(members[:-1]))
    files = {"key.csv": "\n".join(members), "limits.csv": table, "numbers.csv": "\n".join(map(str, range(MAX_ROWS)))}
    names = scope(files)
    frame = pl.DataFrame({"subject": members[1::50], "value": [float(i) for i in range(2000)]})
    for text in (
        "subject in list('key.csv')",
        "lookup('limits.csv', 'limit', subject) >= 0",
        "value in list('numbers.csv')",
    ):
        compiled, _ = compile_value(text, names, zone_ms=0)
        assert frame.select(compiled.expr).to_series().sum() == 2000
        best = float("inf")
        for _ in range(5):
            started = time.perf_counter()
            frame.select(compiled.expr)
            best = min(best, time.perf_counter() - started)
        assert best / len(frame) < 1e-6, text


def test_many_rules_of_a_long_list_load_soon():
    """What Polars makes of a list is made once, however many rules ask for it in other words."""
    table = "subject,limit\n" + "".join(f"9142{i:014d},{i}\n" for i in range(MAX_ROWS - 1))
    asked = "subject IN list('limits.csv') AND value > {} + lookup('limits.csv', 'limit', subject)"

    def took(count: int) -> float:
        rules = "".join(
            RULE.removeprefix("rules:\n")
            .replace("id: a", f"id: a{i}")
            .replace("value >", f"{asked.format(i)} AND value >")
            for i in range(count)
        )
        started = time.process_time()
        assert len(load_rules({"r.yaml": "rules:\n" + rules, "limits.csv": table}).rules) == count
        return time.process_time() - started

    assert took(60) < took(1) + 1
