"""The JSON Schema of rule files takes what the loader takes, and marks what an editor should underline."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
import yaml

from rules.load import packs_directory
from rules.schema import schema

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


@pytest.fixture(scope="module")
def validator() -> Any:
    shape = schema()
    jsonschema.Draft202012Validator.check_schema(shape)
    return jsonschema.Draft202012Validator(json.loads(json.dumps(shape)))


@pytest.mark.parametrize(
    "path",
    sorted(path for path in packs_directory().rglob("*.yaml") if not path.name.endswith(".test.yaml")),
    ids=lambda path: path.name,
)
def test_the_packs_are_valid(validator, path):
    """Every file that comes with the program."""
    errors = list(validator.iter_errors(yaml.safe_load(path.read_text(encoding="utf-8"))))
    assert not errors, errors[0]


@pytest.mark.parametrize("rule", [EACH, WINDOW, ABSENT, SEQUENCE])
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
        {**WINDOW, "window": {"session": "1h"}},
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
