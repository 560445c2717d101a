"""The page on fixtures says what is so: its examples pass, its lists are complete, its failure is what is shown."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from fengsui.cli import cli
from fengsui.workbench.fixture_reader import SHARED, TEST
from fengsui.workbench.outcome_reader import FIELDS, TYPES
from fengsui.workbench.series_reader import WORDS

PAGE = (Path(__file__).parent.parent / "docs" / "rules-testing.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"^```yaml\n# (\S+)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = tmp_path / "my-rules"
    made.mkdir()
    for name, body in FILES.items():
        (made / name).write_text(f"# {name}\n{body}", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return made


def test_the_examples_pass(directory):
    """All of them in one directory."""
    assert len(FILES) == 8
    done = CliRunner().invoke(cli, ["rules", "test", "my-rules"])
    assert done.exit_code == 0, done.output


def test_the_failure_is_what_is_shown(directory):
    """With the changes that the page names."""
    rule = directory / "cod.yaml"
    text = rule.read_text(encoding="utf-8")
    changed = text.replace("n >= 45", "n >= 61").replace("red: mean > 2 * limit", "red: mean > 3 * limit")
    rule.write_text(changed, encoding="utf-8")
    (shown,) = re.findall(r"^```text\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    done = CliRunner().invoke(cli, ["rules", "test", "my-rules"])
    assert done.exit_code == 1
    assert shown in done.stdout


@pytest.mark.parametrize("word", sorted({*TEST, *SHARED, *TYPES, *FIELDS, *WORDS, "never", "key", "ack", "reopen"}))
def test_a_word_of_the_notation_is_explained(word):
    """Each key is named."""
    assert re.search(rf"`[^`\n]*\b{word}\b[^`\n]*`", PAGE), word
