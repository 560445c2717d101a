"""The rule reference says what is so: its examples load, its lists are complete."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rules.expressions import AGGREGATES, FUNCTIONS
from rules.load import load_rules, packs_directory
from rules.reader.keys import COMMON, KIND_KEYS

DOCS = Path(__file__).parent.parent / "docs"
REFERENCE = (DOCS / "rules.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```yaml\n(.*?)^```", REFERENCE, re.MULTILINE | re.DOTALL)
#: CSV files, named in their first line.
TABLES = {
    name: text for text, name in re.findall(r"^```csv\n(# ([\w.-]+).*?)^```", REFERENCE, re.MULTILINE | re.DOTALL)
}


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_an_example_loads(number):
    """Every YAML block of the reference is a file of rules."""
    assert load_rules({f"block-{number}.yaml": BLOCKS[number], **TABLES}).rules


def test_the_examples_have_every_kind():
    """And all of them can stand in one directory."""
    found = load_rules({f"{number}.yaml": block for number, block in enumerate(BLOCKS)} | TABLES)
    assert {rule.kind for rule in found.rules} == set(KIND_KEYS)


@pytest.mark.parametrize(
    "word", sorted({*COMMON, *(key for keys in KIND_KEYS.values() for key in keys), *FUNCTIONS, *AGGREGATES})
)
def test_a_word_of_the_language_is_explained(word):
    """Each key and each function is named."""
    assert re.search(rf"`[^`\n]*\b{word}\b[^`\n]*`", REFERENCE), word


def test_the_list_of_packs_is_complete():
    """Each rule that comes with the program stands there with its title and its basis."""
    listed = (DOCS / "packs.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `([^`]+)` \| (.*)$", listed, re.MULTILINE))
    rules = load_rules(packs_directory()).rules
    assert set(rows) == {rule.id for rule in rules}
    for rule in rules:
        assert rule.title["zh"] in rows[rule.id], rule.id
        assert rule.source in rows[rule.id], rule.id
