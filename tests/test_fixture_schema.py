"""The JSON Schema of tests takes what the reader takes, and marks what an editor should underline."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from click.testing import CliRunner

from fengsui.cli import cli
from fengsui.workbench.fixture_schema import fixture_schema
from rules.load import packs_directory
from tests.test_fixtures_docs import FILES
from tests.test_fixtures_kinds import TESTS

PATTERNS = Path(__file__).parent.parent / "docs" / "patterns"
SHIPPED = sorted(path for place in (packs_directory(), PATTERNS) for path in place.rglob("*.test.yaml"))
GOOD = {"title": "t", "events": [{"at": "0m", "value": 5}], "expect": [{"opens": "0m"}]}


class Loader(yaml.SafeLoader):
    """As an editor reads YAML 1.2: dates and clock times are texts."""


Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith((":timestamp", ":int"))]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@pytest.fixture(scope="module")
def validator() -> Any:
    done = CliRunner().invoke(cli, ["rules", "schema", "--tests"])
    shape = json.loads(done.stdout)
    assert shape == fixture_schema()
    jsonschema.Draft202012Validator.check_schema(shape)
    return jsonschema.Draft202012Validator(shape)


def check(validator: Any, text: str) -> list[str]:
    return [error.message for error in validator.iter_errors(json.loads(json.dumps(yaml.load(text, Loader))))]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_shipped_tests_fit(validator, path):
    """Those beside the packs and the patterns."""
    text = path.read_text(encoding="utf-8").replace("times: ", "times: !!int ")
    assert not check(validator, text)


@pytest.mark.parametrize("text", [TESTS, *(text for name, text in FILES.items() if name.endswith(".test.yaml"))])
def test_examples_fit(validator, text):
    """Those of the page, and of every kind."""
    assert not check(validator, text.replace("times: ", "times: !!int "))


@pytest.mark.parametrize(
    "test",
    [
        {**GOOD, "expects": "nothing"},
        {name: value for name, value in GOOD.items() if name != "expect"},
        {**GOOD, "events": [{"vaule": 5}]},
        {**GOOD, "events": [{"times": 0}]},
        {**GOOD, "expect": [{"open": "0m"}]},
        {**GOOD, "expect": [{"opens": "0m", "closes": "1m"}]},
        {**GOOD, "expect": [{"opens": "0m", "severity": "pink"}]},
        {**GOOD, "expect": [{"never": "always"}]},
        {**GOOD, "expect": "none"},
        {**GOOD, "acts": [{"close": "1m"}]},
        {**GOOD, "event": {"at": "5m"}},
    ],
)
def test_a_mistake_is_marked(validator, test):
    """What the reader would refuse for its shape."""
    assert validator.is_valid({"tests": [GOOD]})
    assert not validator.is_valid({"tests": [test]})
