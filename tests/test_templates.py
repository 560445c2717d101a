"""Constants and templates: many rules from one text, with every fault at its place and the name of who asked for it."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.errors import RuleError, RuleErrors
from rules.load import load_bundle, load_rules
from rules.model import Rule

CONSTANTS = """\
constants:
  cod: w01018
  limit: 50
  double: "${limit} * 2"
  who: 值班员
"""
TEMPLATES = """\
templates:
  outfall:
    id: env.${site}.${metric}
    title: {zh: "${site} 超标", en: "${site} above ${limit}"}
    feed: sensor
    where: subject = '${site}' AND metric = '${metric}'
    when: value > ${limit}
    hold: ${hold}
    severity: red
    summary: {zh: "{subject} {value:.1f}，请${who}处理", en: "{subject} {value:.1f}"}
"""
RULES = """\
rules:
  - template: outfall
    with: {site: A, metric: "${cod}", limit: "${double}", hold: 5m}
  - template: outfall
    severity: blue
    for_each:
      - {site: B, metric: w21003, hold: 1m}
      - {site: C, metric: w21003, hold: 2m, limit: 8}
"""
WHOLE = CONSTANTS + TEMPLATES + RULES


def rules_of(*texts: str, **others: str) -> dict[str, Rule]:
    files = {"r.yaml": "".join(texts), **{name.replace("_", "."): text for name, text in others.items()}}
    return {rule.id: rule for rule in load_rules(files).rules}


def errors_of(text: str, **others: str) -> list[str]:
    with pytest.raises(RuleErrors) as caught:
        rules_of(text, **others)
    return [str(error) for error in caught.value.errors]


# --- what they mean ---------------------------------------------------------------------------------------------------


def test_a_template_is_made_once_and_for_each_row():
    """The rule's own keys win over the template's, and parameters over constants."""
    rules = rules_of(WHOLE)
    assert {name: rule.when and rule.when.text for name, rule in rules.items()} == {
        "env.A.w01018": "value > 50 * 2",
        "env.B.w21003": "value > 50",
        "env.C.w21003": "value > 8",
    }
    first, second = rules["env.A.w01018"], rules["env.B.w21003"]
    assert (first.severity, second.severity) == ((("red", None),), (("blue", None),))
    assert (first.hold_ms, second.hold_ms) == (300_000, 60_000)
    assert first.title == {"zh": "A 超标", "en": "A above 50 * 2"}
    assert first.summary["zh"] == "{subject} {value:.1f}，请值班员处理"
    assert (first.place.line, second.place.line) == (17, 19)


def test_a_rule_from_a_template_means_what_it_would_if_it_were_written_out():
    """Its version is the same."""
    written = """\
rules:
  - id: x
    title: t
    feed: sensor
    where: subject = 'B' AND metric = 'w21003'
    when: value > 50.0
    hold: 60s
    severity: blue
"""
    assert rules_of(WHOLE)["env.B.w21003"].version == rules_of(written.replace("50.0", "50"))["x"].version


def test_the_columns_of_a_table_are_parameters():
    """One rule for each row; a column of no use is no fault. The table is part of the bundle."""
    rules = TEMPLATES + "constants: {who: 我}\nrules:\n  - {template: outfall, for_each: tables/sites.csv}\n"
    table = "# outfalls\nsite,metric,limit,hold,remark\n甲,cod,5,1m,\n乙,cod,6,2m,旧\n"
    loaded = load_rules({"r.yaml": rules, "tables/sites.csv": table})
    assert [(rule.id, rule.when and rule.when.text) for rule in loaded.rules] == [
        ("env.乙.cod", "value > 6"),
        ("env.甲.cod", "value > 5"),
    ]
    again = load_bundle(loaded.bundle)
    assert [rule.version for rule in again.rules] == [rule.version for rule in loaded.rules]
    assert again.version == loaded.version != load_rules({"r.yaml": rules, "tables/sites.csv": table + "#\n"}).version


def test_constants_yaml_at_the_top_holds_for_all_files(tmp_path):
    """Its constants and its templates; a file's own win."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "constants.yaml").write_text(CONSTANTS + TEMPLATES)
    (tmp_path / "sub" / "a.yaml").write_text(RULES)
    (tmp_path / "sub" / "b.yaml").write_text("constants: {limit: 7}\n" + RULES.replace("site: ", "site: x"))
    rules = {rule.id: rule.when and rule.when.text for rule in load_rules(tmp_path).rules}
    assert (rules["env.B.w21003"], rules["env.xB.w21003"]) == ("value > 50", "value > 7")
    assert rules["env.xA.w01018"] == "value > 50 * 2"  # made of what stood beside it
    (tmp_path / "c.yaml").write_text(RULES.replace("site: ", "site: y"))
    assert len(load_rules(tmp_path / "c.yaml").rules) == 3
    (tmp_path / "sub" / "constants.yaml").write_text("constants: {limit: 9}\n")  # elsewhere it is a file like others
    assert len(load_rules(tmp_path).rules) == 9


def test_a_rule_of_its_own_may_use_constants_and_rows():
    """Without a template."""
    rules = rules_of(
        "constants: {on: true, gap: 1h}\n"
        "rules:\n  - for_each: [{n: 1}, {n: 2}]\n    id: r${n}\n    title: t\n    feed: sensor\n"
        "    when: value > ${n}\n    severity: {red: 'value > 1${n}', blue: true}\n    enabled: ${on}\n"
        "    clear_after: ${gap}\n    max_open: ${n}\n"
    )
    assert [(rule.max_open, rule.mode, rule.clear_after_ms) for rule in rules.values()] == [
        (1, "on", 3_600_000),
        (2, "on", 3_600_000),
    ]


def test_dollars_can_be_written():
    """``$${`` stands for ``${``, in constants too; a dollar alone for itself."""
    rule = rules_of(
        "constants: {price: '$5', odd: '$${x}'}\nrules:\n  - {id: a, title: '${price} ${odd} $${y} $', feed: sensor,"
        " when: \"unit = '${odd}'\", severity: red}\n"
    )["a"]
    assert rule.title["en"] == "$5 ${x} ${y} $"
    assert rule.when is not None
    assert rule.when.text == "unit = '${x}'"


# --- faults -----------------------------------------------------------------------------------------------------------

FOR_A = "[template outfall for r.yaml:17: site=A, metric=w01018, limit=50 * 2, hold=5m]"
FOR_B = "[template outfall for r.yaml:19: site=B, metric=w21003, hold=1m, and 1 more]"


@pytest.mark.parametrize(
    ("old", "new", "errors"),
    [
        (
            "when: value",
            "when: valu",
            [
                f"r.yaml:12:11: unknown name valu: the feed sensor has no such field {made} (did you mean 'value'?)"
                for made in (FOR_A, FOR_B)
            ],
        ),
        (
            "'${site}' AND",
            "'${sitte}' AND",
            [f"r.yaml:11:23: unknown name ${{sitte}} {made} (did you mean 'site'?)" for made in (FOR_A, FOR_B)],
        ),
        (
            "${hold}",
            "${hold",
            [
                f"r.yaml:13:11: '${{hold' names no constant {made} (write ${{name}}, and $${{ for these characters themselves)"
                for made in (FOR_A, FOR_B)
            ],
        ),
        (
            "hold: 5m",
            "hold: 5x",
            [
                "r.yaml:13:11: hold: '5x' is no duration [template outfall for r.yaml:17: site=A, metric=w01018, limit=50 * 2, hold=5x] (write 30s, 5m, 1h or 1d)"
            ],
        ),
        (
            "limit: 8}",
            "limit: 8 AND x}",
            [
                "r.yaml:12:19: unknown name x: the feed sensor has no such field [template outfall for r.yaml:19: site=C, metric=w21003, hold=2m, limit=8 AND x]"
            ],
        ),
        (
            "{site: C",
            "{site: B",
            [
                "r.yaml:8:9: the id env.B.w21003 is taken [template outfall for r.yaml:19: site=B, metric=w21003, hold=2m, limit=8] (by the rule at r.yaml:19)"
            ],
        ),
        (
            "site: A,",
            "site: A, sort: 1,",
            [
                "r.yaml:18:21: the parameter sort is used nowhere [template outfall for r.yaml:17: site=A, sort=1, metric=w01018, limit=50 * 2, hold=5m]"
            ],
        ),
        (
            "template: outfall\n    with",
            "template: outfal\n    with",
            ["r.yaml:17:15: unknown template 'outfal' (did you mean 'outfall'?)"],
        ),
        (
            "    severity: blue",
            "    colour: blue",
            [
                "r.yaml:20:5: unknown key 'colour' [template outfall for r.yaml:19: site=B, metric=w21003, hold=1m, and 1 more]"
            ],
        ),
        (
            "    severity: blue",
            "    with: {a: 1}",
            ["r.yaml:21:5: with and for_each do not go together (put the parameters into each row)"],
        ),
        (
            "      - {site: C",
            "      - C\n      - {site: C",
            ["r.yaml:23:9: a row of for_each is a mapping of parameters (such as {limit: 50})"],
        ),
        ("hold: 2m", "hold: [2m]", ["r.yaml:23:41: the parameter hold must be a single value (such as limit: 50)"]),
        (
            "hold: 2m",
            "ho-ld: 2m",
            ["r.yaml:23:35: 'ho-ld' is no name for a parameter (letters, digits and underscores)"],
        ),
        (
            "limit: 50\n",
            "limit: [50]\n",
            [
                "r.yaml:3:10: the constant limit must be a single value (such as cod_limit: 50)",
            ],
        ),
        (
            "limit: 50\n",
            'limit: "${double}"\n',
            ["r.yaml:3:10: the constant limit stands for itself: limit -> double -> limit"],
        ),
        ("limit: 50\n", 'limit: "${limit}"\n', ["r.yaml:3:10: the constant limit stands for itself: limit -> limit"]),
        (
            "  cod: w",
            "  c-d: w",
            [
                "r.yaml:2:3: 'c-d' is no name for a constant (letters, digits and underscores)",
                "r.yaml:18:30: unknown name ${cod} (constants stand under constants:, parameters under with: or for_each:)",
            ],
        ),
        (
            "templates:\n",
            "templates:\n  x: 5\n",
            ["r.yaml:7:6: the template x must have the keys of a rule (such as feed: sensor)"],
        ),
        (
            "templates:\n",
            "templates:\n  x: {template: outfall}\n",
            ["r.yaml:7:6: the template x asks for another template (a template has the keys of a rule)"],
        ),
    ],
)
def test_a_fault_and_its_place(old, new, errors):
    """In the template's line, with the rule that asked for it and its parameters; once for all rows that have it."""
    assert old in WHOLE
    assert errors_of(WHOLE.replace(old, new, 1)) == errors


def test_constants_that_are_none():
    """A file has constants, templates and rules, and nothing else."""
    assert errors_of("constants: 5\nother: 1\ntemplates: []\n") == [
        "r.yaml:1:12: constants is a mapping of names to values (such as constants: {cod_limit: 50})",
        "r.yaml:2:1: unknown key 'other' (a file holds a list under rules:)",
        "r.yaml:3:12: templates is a mapping of names to the keys of a rule (such as templates: {outfall: {feed: sensor}})",
    ]


def test_a_fault_of_a_template_in_another_file():
    """Is told in that file, and names the file that asked for it and the row of the table."""
    rules = "rules:\n  - {template: outfall, for_each: sites.csv}\n"
    table = "site,metric,hold\nA,cod,1m\nB,cod,1y\n"
    found = errors_of(rules, constants_yaml=CONSTANTS + TEMPLATES, sites_csv=table)
    assert found == [
        (
            "constants.yaml:13:11: hold: '1y' is no duration [template outfall for r.yaml:2, sites.csv:3: site=B, metric=cod, hold=1y]"
            " (write 30s, 5m, 1h or 1d)"
        )
    ]


@pytest.mark.parametrize(
    ("table", "error"),
    [
        (None, "r.yaml:2:35: there is no file 'sites.csv' in the rules directory (files are named"),
        ("", "r.yaml:2:35: sites.csv is empty (its first row names the parameters"),
        ("a b,c\n1,2\n", "r.yaml:2:35: sites.csv: 'a b' is no name for a parameter"),
        ("site,site\n1,2\n", "r.yaml:2:35: sites.csv: 'site' is no name for a parameter"),
        ("site,metric\n1\n", "sites.csv:2:1: a row of 1 cells, where the first has 2"),
    ],
)
def test_a_table_of_parameters_that_is_none(table, error):
    """At the name of the table, or in its line."""
    files = {} if table is None else {"sites_csv": table}
    found = errors_of(
        "rules:\n  - {template: outfall, for_each: sites.csv}\n", constants_yaml=CONSTANTS + TEMPLATES, **files
    )
    assert len(found) == 1
    assert found[0].startswith(error)


def test_many_faulty_rows_are_told_in_short():
    """The first twenty rules with faults; the rest are not read."""
    table = "site,metric,hold\n" + "".join(f"S{i},cod,{i}x\n" for i in range(5_000))
    started = time.process_time()
    found = errors_of(
        "rules:\n  - {template: outfall, for_each: sites.csv}\n", constants_yaml=CONSTANTS + TEMPLATES, sites_csv=table
    )
    assert len(found) == 20
    assert time.process_time() - started < 1


# --- bounds -----------------------------------------------------------------------------------------------------------


def test_constants_cannot_explode():
    """Each may be doubled by the next; all texts are bounded, and so is how deep they go."""
    chain = "constants:\n  c0: 0123456789\n" + "".join(f"  c{i}: '${{c{i - 1}}}${{c{i - 1}}}'\n" for i in range(1, 60))
    started = time.process_time()
    found = errors_of(chain)
    assert any("with its names replaced the text is longer than 4,096 characters" in error for error in found)
    deep = "constants:\n" + "".join(f"  c{i}: '${{c{i + 1}}}'\n" for i in range(5_000)) + "  c5000: 1\n"
    assert any("constants made of constants, more than 20 deep" in error for error in errors_of(deep))
    long = (
        "constants: {c: '"
        + "x" * 4_000
        + "'}\nrules:\n  - {id: a, title: '"
        + "${c}" * 6
        + "', feed: sensor, when: value > 1, severity: red}\n"
    )
    assert errors_of(long) == ["r.yaml:3:20: with its names replaced the text is longer than 20,000 characters"]
    assert time.process_time() - started < 1


def test_a_template_cannot_explode():
    """Large bodies for many rows are counted before they are made."""
    body = (
        "".join(f"      m{i}: max(value) + ${{n}}\n" for i in range(50)) + "      x: ['${n}'" + ", '${n}'" * 300 + "]\n"
    )
    text = f"templates:\n  t:\n    id: r${{n}}\n    title: t\n    measure:\n{body}rules:\n  - {{template: t, for_each: n.csv}}\n"
    started = time.process_time()
    found = errors_of(text, n_csv="n\n" + "".join(f"{i}\n" for i in range(10_000)))
    assert found == [
        f"r.yaml:{text.count(chr(10))}:5: the rules of this template come to more than 1,000,000 values (make several files of them)"
    ]
    assert time.process_time() - started < 1


def test_there_are_at_most_ten_thousand_rules():
    """Counted as they are made."""
    rule = "rules:\n  - {for_each: n.csv, id: 'r${n}', title: t, feed: sensor, when: value > 1, severity: red}\n"
    found = errors_of(rule, n_csv="n\n" + "".join(f"{i}\n" for i in range(10_001)))
    assert found == ["r.yaml:2:5: more than 10,000 rules in all"]


_PUT = [
    "",
    "{",
    "}",
    "[",
    ":",
    "\n",
    "'",
    '"',
    "- ",
    "null",
    "&a ",
    "*a",
    "${",
    "}",
    "${limit}",
    "$${",
    "template: ",
    "with: {",
    "#",
]


@settings(max_examples=150, deadline=None)
@given(
    cuts=st.lists(
        st.tuples(st.integers(0, len(WHOLE)), st.integers(0, 12), st.sampled_from(_PUT)), min_size=1, max_size=4
    )
)
def test_a_damaged_file_gives_rules_or_faults_in_it(cuts):
    """Whatever is cut out or put in: no other error, and every fault lies within the file."""
    text = WHOLE
    for start, length, put in cuts:
        text = text[:start] + put + text[start + length :]
    errors: tuple[RuleError, ...] = ()
    try:
        rules_of(text)
    except RuleErrors as caught:
        errors = caught.errors
    lines = text.split("\n")
    for error in errors:
        assert 1 <= error.line <= len(lines) + 1
        assert 1 <= error.column <= len(lines[min(error.line, len(lines)) - 1]) + 2
