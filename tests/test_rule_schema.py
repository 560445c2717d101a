"""The JSON Schema of rule files takes what the loader takes, and marks what an editor should underline."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from rules.load import packs_directory
from rules.schema import schema
from tests.test_rules_docs import BLOCKS

EACH = {"id": "a", "title": "t", "feed": "sensor", "when": "value > 5", "severity": "red"}
WINDOW = {**EACH, "window": {"tumbling": "1h"}, "measure": {"n": "count(*)"}, "when": "n > 5"}
ABSENT = {"id": "a", "title": "t", "feed": "sensor", "absent": "1h", "severity": "red"}
SEQUENCE = {
    "id": "a",
    "title": {"zh": "甲", "en": "A"},
    "severity": "red",
    "within": "1h",
    "sequence": [{"feed": "sensor"}, {"unless": {"feed": "news"}}, {"absent": {"feed": "sensor", "where": "true"}}],
}


SESSION = {**WINDOW, "window": {"session": "30m", "max": "24h"}}
BASELINE = {**WINDOW, "baseline": {"last": 7, "skip": 2, "every": "1d", "measure": {"mean": "avg(n)"}}, "max_open": 9}
NEW = {
    "id": "a",
    "title": "t",
    "feed": "trading",
    "by": "subject",
    "new": ["region"],
    "memory": "90d",
    "severity": "red",
}
ON_ALERTS = {
    **EACH,
    "feed": "alert",
    "when": "rank = 4",
    "only": [{"workdays": ["09:00-12:00", "13:00-18:00"], "sat": "all"}],
}
NAMED = {
    **EACH,
    "feed": "${feed}",
    "hold": "${hold}",
    "severity": "${severity}",
    "enabled": "${on}",
    "max_rate": "${n}",
}


@pytest.fixture(scope="module")
def validator() -> Any:
    shape = schema()
    jsonschema.Draft202012Validator.check_schema(shape)
    return jsonschema.Draft202012Validator(json.loads(json.dumps(shape)))


@pytest.mark.parametrize(
    "path",
    sorted(
        path
        for place in (packs_directory(), Path(__file__).parent.parent / "docs" / "patterns")
        for path in place.rglob("*.yaml")
        if not path.name.endswith(".test.yaml")
    ),
    ids=lambda path: path.name,
)
def test_the_packs_and_the_patterns_are_valid(validator, path):
    """Every file that comes with the program, or with its docs."""
    errors = list(validator.iter_errors(yaml.safe_load(path.read_text(encoding="utf-8"))))
    assert not errors, errors[0]


@pytest.mark.parametrize("rule", [EACH, WINDOW, SESSION, ABSENT, SEQUENCE, BASELINE, NEW, ON_ALERTS, NAMED])
def test_a_rule_of_each_kind_is_valid(validator, rule):
    """The least that a rule of its kind needs."""
    assert validator.is_valid({"rules": [rule]})


@pytest.mark.parametrize(
    "rule",
    [
        {**EACH, "wen": "true"},
        {**EACH, "severity": "rot"},
        {**EACH, "feed": "sensro"},
        {**EACH, "hold": 5},
        {**EACH, "hold": "5 minutes"},
        {**EACH, "enabled": "maybe"},
        {**EACH, "measure": {"n": "count(*)"}},
        {name: value for name, value in EACH.items() if name != "when"},
        {name: value for name, value in WINDOW.items() if name != "measure"},
        {**WINDOW, "window": {"session": "1h", "every": "1m"}},
        {**BASELINE, "baseline": {"measure": {"mean": "avg(n)"}}},
        {**BASELINE, "baseline": []},
        {**BASELINE, "window": {"tumbling": "1h", "max": "1h"}},
        {**NEW, "when": "true"},
        {**NEW, "new": []},
        {**EACH, "memory": "1d"},
        {**EACH, "max_open": 0},
        {**EACH, "only": {"weekdays": "all"}},
        {**EACH, "only": {"workdays": "9-18"}},
        {**EACH, "template": "x", "wen": "true"},
        {**EACH, "for_each": "rows.xlsx"},
        {**EACH, "with": {"a": [1]}},
        {**WINDOW, "window": {"hopping": "1h"}},
        {**ABSENT, "when": "true"},
        {**ABSENT, "severity": {"red": True}},
        {**SEQUENCE, "sequence": [{"feed": "sensor"}]},
        {**SEQUENCE, "sequence": [{"feed": "sensor"}, {"where": "true", "by": "x"}]},
        {**SEQUENCE, "where": "true"},
    ],
)
def test_a_mistake_is_marked(validator, rule):
    """Unknown keys, wrong words, keys of another kind."""
    assert not validator.is_valid({"rules": [rule]})


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_the_examples_of_the_reference_are_valid(validator, number):
    """What the documentation shows, an editor takes."""
    errors = list(validator.iter_errors(yaml.safe_load(BLOCKS[number])))
    assert not errors, errors[0]


TEMPLATES = {
    "constants": {"limit": 50, "on": True},
    "templates": {"over": {"feed": "sensor", "when": "value > ${limit}", "severity": "red"}},
    "rules": [
        {"template": "over", "with": {"limit": 5}, "id": "a", "title": "t"},
        {"template": "over", "for_each": "outfalls.csv", "id": "a.${name}", "title": "t", "where": "true"},
        {**EACH, "for_each": [{"n": 1}, {"n": 2}]},
    ],
}


def test_constants_and_templates_are_valid(validator):
    """Beside the rules; of a rule that takes a template no key is asked for."""
    assert validator.is_valid(TEMPLATES)


@pytest.mark.parametrize(
    "change",
    [
        {"constants": {"a": [1]}},
        {"constants": {"a-b": 1}},
        {"templates": {"over": {"wen": "value > 1"}}},
        {"templates": {"over": 5}},
        {"template": {}},
    ],
)
def test_a_mistake_beside_the_rules_is_marked(validator, change):
    """Names that are none, keys that no rule has."""
    assert not validator.is_valid({**TEMPLATES, **change})
